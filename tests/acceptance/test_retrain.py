"""`plumbline retrain`: it passes its arguments on to training, with exported labels."""

from __future__ import annotations

import json

from tests.command import Cli


def test_retrain_passes_its_arguments_on_to_training(cli: Cli) -> None:
    printed = cli.run("retrain", "--help")
    assert "--from-labels" in printed
    assert "--preset" in printed
    assert "--label-column" in printed
    assert "absent.csv" in cli.error("retrain", "--data", "absent.csv")
    # A `training.py` in the current folder must not be imported instead.
    cli.write("training.py", "raise SystemExit(9)")
    assert "absent.csv" in cli.error("retrain", "--data", "absent.csv")


def test_labelled_texts_are_exported_for_training(cli: Cli) -> None:
    texts = "id,text\n" + "".join(f'{n},"text {n}, with a comma"\n' for n in range(4))
    cli.write("a.csv", texts)
    receipts = cli.json_lines("submit", "a.csv", "--key-column", "id", "--source", "shop")[:-1]
    cli.write("l.csv", "id,label\n0,1\n1,0\n3,1\n")
    cli.run("label", "l.csv", "--key-column", "id", "--source", "shop", "--by", "ann")
    cli.write("l.jsonl", json.dumps({"job_id": receipts[0]["job_id"], "label": False}))
    cli.run("label", "l.jsonl", "--by", "ann")
    assert "add --from-labels" in cli.error("retrain", "--since", "1h", "--data", "a.csv")

    retrain = ("retrain", "--from-labels", "--since", "1h", "--run-dir", "runs")
    done = cli.complete(*retrain, "--job-source", "shop")
    notice, sentence = done.stderr.decode().splitlines()
    (exported,) = (cli.folder / ".plumbline" / "retrain").iterdir()
    assert notice == f"3 labelled texts, 2 of class 0 and 1 of class 1, are in {exported}."
    assert sentence == f"{exported} contains 3 labelled texts; training needs at least 50."
    assert done.returncode == 1
    rows = [json.loads(line) for line in exported.read_text(encoding="utf-8").splitlines()]
    assert sorted((row["text"], row["label"]) for row in rows) == [
        ("text 0, with a comma", 0),
        ("text 1, with a comma", 0),
        ("text 3, with a comma", 1),
    ]
    assert b"0 labelled texts" in cli.complete(*retrain, "--job-source", "nobody").stderr
    assert b"absent.csv" in cli.complete(*retrain, "--data", "absent.csv").stderr


def test_rows_that_cannot_be_used_stop_the_training(cli: Cli) -> None:
    cli.write("d.csv", 'label,text\nham,a\nspam,"b\n1,c, d\n0,e\n0,E\n1,e\n1,\n')
    retrain = ("retrain", "--data", "d.csv", "--run-dir", "runs")
    assert cli.error(*retrain) == (
        "d.csv has 2 rows that cannot be used (line 3: the quote that opens in this line is not "
        "closed; line 4: it has 3 values for 2 columns; a text with a comma needs quotes around "
        "it); correct them, or leave out such rows with --skip-invalid."
    )
    done = cli.complete(*retrain, "--skip-invalid")
    assert done.returncode == 1
    assert done.stderr.decode().splitlines() == [
        "Rows are left out (open quote): 1 (line d.csv:3).",
        "Rows are left out (wrong number of values): 1 (line d.csv:4).",
        "Texts that the worker would reject, such as empty ones, are left out: 1 (line d.csv:8).",
        "Texts are labelled 0 and 1: 1.",
        "d.csv contains 4 labelled texts; training needs at least 50.",
    ]
    cli.write("latin.csv", "text;label;split\nGrüße;1;Holdout\n".encode("latin-1"))
    assert "--encoding" in cli.error("retrain", "--data", "latin.csv")
    assert "its 'split' is 'Holdout'" in cli.error(
        "retrain", "--data", "latin.csv", "--encoding", "latin-1"
    )
