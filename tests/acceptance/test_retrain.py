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
