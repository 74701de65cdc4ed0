"""`plumbline retrain`: it passes its arguments on to training, with exported labels."""

from __future__ import annotations

import json

from sqlalchemy import Engine, text

from storage.serving import deployments
from storage.serving.deployments import VersionRecord
from tests.command import Cli

# What a worker would have written: every text of a source was scored by one version.
SCORE = text("""
INSERT INTO plumbline.predictions (
    job_id, role, model, probability, label, confidence, decision, ranked, tokens, windows,
    window_rule, features, queue_ms, score_ms)
SELECT id, 'live', :model, 0.1, :label, 0.9, 'negative', '{}', 4, 1, 'mean', '{}', 1, 1
FROM plumbline.jobs WHERE source = :source
""")
TASK = ("--name", "toy", "--labels", "ham,spam")


def score(engine: Engine, source: str, model: str, labels: tuple[str, str]) -> None:
    """Register the version, make it live, and let it have scored the texts of the source."""
    with engine.begin() as connection:
        record = VersionRecord(model, "", {}, labels)
        deployments.promote(connection, record, deployed_by="test", reason="")
        connection.execute(SCORE, {"model": model, "label": labels[0], "source": source})


def test_retrain_passes_its_arguments_on_to_training(cli: Cli) -> None:
    printed = cli.run("retrain", "--help")
    assert "--from-labels" in printed
    assert "--preset" in printed
    assert "--label-column" in printed
    assert "absent.csv" in cli.error("retrain", "--data", "absent.csv", *TASK)
    # A `training.py` in the current folder must not be imported instead.
    cli.write("training.py", "raise SystemExit(9)")
    assert "absent.csv" in cli.error("retrain", "--data", "absent.csv", *TASK)


def test_texts_alone_do_not_decide_the_model(cli: Cli) -> None:
    cli.write("tweets.csv", "text,label\nso angry,1\n")
    sentence = cli.error("retrain", "--data", "tweets.csv")
    assert sentence.startswith("--name and --labels must be given")


def test_labelled_texts_are_exported_for_training(cli: Cli, engine: Engine) -> None:
    texts = "id,text\n" + "".join(f'{n},"text {n}, with a comma"\n' for n in range(4))
    cli.write("a.csv", texts)
    receipts = cli.json_lines("submit", "a.csv", "--key-column", "id", "--source", "shop")[:-1]
    assert "--name and --labels must be given" in cli.error("retrain", "--from-labels")
    score(engine, "shop", "toy/1.0.0", ("ham", "spam"))
    cli.write("l.csv", "id,label\n0,1\n1,0\n3,1\n")
    cli.run("label", "l.csv", "--key-column", "id", "--source", "shop", "--by", "ann")
    cli.write("l.jsonl", json.dumps({"job_id": receipts[0]["job_id"], "label": False}))
    cli.run("label", "l.jsonl", "--by", "ann")
    assert "add --from-labels" in cli.error("retrain", "--since", "1h", "--data", "a.csv")

    retrain = ("retrain", "--from-labels", "--since", "1h", "--run-dir", "runs")
    done = cli.complete(*retrain, "--job-source", "shop")
    notice, sentence = done.stderr.decode().splitlines()
    (exported,) = (cli.folder / ".plumbline" / "retrain").iterdir()
    assert notice == f"3 labelled texts of toy, 2 ham and 1 spam, are in {exported}."
    assert sentence == f"{exported} contains 3 labelled texts; training needs at least 50."
    assert done.returncode == 1
    rows = [json.loads(line) for line in exported.read_text(encoding="utf-8").splitlines()]
    assert sorted((row["text"], row["label"], row["source"]) for row in rows) == [
        ("text 0, with a comma", 0, "shop"),
        ("text 1, with a comma", 0, "shop"),
        ("text 3, with a comma", 1, "shop"),
    ]
    assert b"0 labelled texts" in cli.complete(*retrain, "--job-source", "nobody").stderr
    assert b"absent.csv" in cli.complete(*retrain, "--data", "absent.csv").stderr


def test_labels_of_other_models_are_left_out(cli: Cli, engine: Engine) -> None:
    for source, model, labels in (
        ("sms", "toy/1.0.0", ("ham", "spam")),
        ("mail", "toy/2.0.0", ("calm", "angry")),
        ("video", "tweets/1.0.0", ("calm", "angry")),
        # The live version, which decides the task if no option does.
        ("web", "toy/1.0.0", ("ham", "spam")),
    ):
        cli.write("a.csv", f"id,text,label\n0,{source} zero,0\n1,{source} one,1\n")
        cli.run("submit", "a.csv", "--key-column", "id", "--source", source)
        score(engine, source, model, labels)
        cli.run("label", "a.csv", "--key-column", "id", "--source", source)
    printed = cli.complete("retrain", "--from-labels").stderr.decode().splitlines()
    assert printed[0].startswith("4 labelled texts of toy, 2 ham and 2 spam, are in ")
    assert sorted(printed[1:3]) == [
        "2 labels are left out: toy/2.0.0 scored their texts, whose classes are calm, angry and "
        "not ham, spam.",
        "2 labels are left out: tweets/1.0.0 scored their texts, which is not a version of toy.",
    ]
    options = ("--name", "tweets", "--labels", "calm,angry")
    others = cli.complete("retrain", "--from-labels", *options).stderr.decode()
    assert others.startswith("2 labelled texts of tweets, 1 calm and 1 angry, are in ")


def test_rows_that_cannot_be_used_stop_the_training(cli: Cli) -> None:
    cli.write("d.csv", 'label,text\nham,a\nspam,"b\n1,c, d\n0,e\n0,E\n1,e\n1,\n')
    retrain = ("retrain", "--data", "d.csv", "--run-dir", "runs", *TASK)
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
        "Texts are labelled 0 and 1: 1 (in d.csv:5 and d.csv:7).",
        "d.csv contains 4 labelled texts; training needs at least 50.",
    ]
    cli.write("latin.csv", "text;label;split\nGrüße;1;Holdout\n".encode("latin-1"))
    assert "--encoding" in cli.error("retrain", "--data", "latin.csv", *TASK)
    assert "its 'split' is 'Holdout'" in cli.error(
        "retrain", "--data", "latin.csv", "--encoding", "latin-1", *TASK
    )
