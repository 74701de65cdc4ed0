"""`plumbline models backtest`: stored texts, scored again by a candidate."""

from __future__ import annotations

import re
import signal
from dataclasses import replace
from pathlib import Path

from sqlalchemy import Engine, text

from scoring.artifact.config import ScoringConfig
from scoring.artifact.manifest import Manifest, hashes
from storage.serving import deployments
from storage.serving.deployments import VersionRecord
from tests.artifacts import PASSED, write_copy
from tests.command import TIMEOUT_S, Cli

LIVE, OTHER = "sms-spam/1.0.0", "tweets/1.0.0"
HAM, SPAM = "see you at six", "WINNER!! claim your free prize now, call 09061701461"

# What a worker would have written, for a version that takes every text for ham.
SCORE = text("""
INSERT INTO plumbline.predictions (
    job_id, role, model, probability, label, confidence, decision, ranked, tokens, windows,
    window_rule, features, queue_ms, score_ms)
SELECT id, 'live', :model, 0.1, 'ham', 0.9, 'negative', '{}', 4, 1, 'mean', '{}', 1, 1
FROM plumbline.jobs WHERE source = :source
""")


def submit(cli: Cli, engine: Engine, source: str, texts: list[str], model: str = LIVE) -> None:
    rows = "".join(f'{n},"{text}"\n' for n, text in enumerate(texts))
    cli.write("a.csv", f"id,text\n{rows}")
    cli.run("submit", "a.csv", "--key-column", "id", "--source", source)
    with engine.begin() as connection:
        connection.execute(SCORE, {"model": model, "source": source})


def test_candidate_is_compared_with_live_decisions_and_labels_by_source(
    cli: Cli, engine: Engine, tmp_path: Path
) -> None:
    cli = cli.with_settings(models_dir=tmp_path / "models").with_columns(80)
    # The candidate was never registered; the live version is not on this machine.
    write_copy(tmp_path / "models", "1.1.0", PASSED)
    with engine.begin() as connection:
        for model, labels in ((OTHER, ("calm", "angry")), (LIVE, ("ham", "spam"))):
            record = VersionRecord(model, "", {}, labels)
            deployments.promote(connection, record, deployed_by="test", reason="")
    empty = cli.error("models", "backtest", "sms-spam")
    assert empty.startswith("No stored text was scored since ")
    submit(cli, engine, "shop", [HAM, SPAM, SPAM, "gone"])
    submit(cli, engine, "mail", [HAM, HAM])
    submit(cli, engine, "video", [HAM], OTHER)
    cli.write("l.csv", "id,label\n0,0\n1,1\n2,0\n")
    cli.run("label", "l.csv", "--key-column", "id", "--source", "shop")
    with engine.begin() as connection:
        connection.execute(text("UPDATE plumbline.jobs SET text = NULL WHERE text = 'gone'"))

    before = contents(engine)
    result = cli.json("models", "backtest", "sms-spam/1.1.0", "--since", "1d", "--show-texts", "1")
    assert contents(engine) == before
    assert (result["model"], result["complete"]) == ("sms-spam/1.1.0", True)
    assert result["live_models"] == {LIVE: 5}
    shop, mail, whole = result["rows"]
    assert (shop["source"], shop["texts"], shop["changed"]) == ("shop", 3, 2)
    assert shop["to"] == {"positive": 2, "negative": 0, "review": 0}
    assert (shop["labelled"], shop["newly_right"], shop["newly_wrong"]) == (3, 1, 1)
    assert shop["difference"]["low"] < 0.0 < shop["difference"]["high"]
    assert (mail["source"], mail["changed"], mail["live"], mail["verdict"]) == (
        *("mail", 0, None, None),
    )
    assert (whole["source"], whole["texts"], whole["changed"]) == (None, 5, 2)
    assert [row["texts"] for row in result["left_out"]] == [1, 1]
    (changed,) = result["changed_texts"]
    assert (changed["live"], changed["candidate"]) == ("negative", "positive")

    printed = cli.run("models", "backtest", "sms-spam", "--source", "shop")
    assert "the difference of sms-spam/1.1.0 may be chance: 1 newly right, 1 newly wrong" in printed
    assert "1 texts are left out, because they are deleted." in printed
    assert "video" not in printed
    assert cli.json("models", "backtest", "sms-spam", "--limit", "2")["rows"][-1]["texts"] == 2


def test_candidate_with_other_classes_has_no_texts(
    cli: Cli, engine: Engine, tmp_path: Path
) -> None:
    cli = cli.with_settings(models_dir=tmp_path / "models")
    folder = write_copy(tmp_path / "models", "1.0.0", PASSED, name="tweets")
    config = folder / "config.json"
    replace(ScoringConfig.read(config), labels=("calm", "angry")).write(config)
    manifest = Manifest.read(folder)
    replace(manifest, files=hashes(folder, list(manifest.files))).write(folder)
    with engine.begin() as connection:
        record = VersionRecord(LIVE, "", {}, ("ham", "spam"))
        deployments.promote(connection, record, deployed_by="test", reason="")
    submit(cli, engine, "shop", [HAM])
    sentence = cli.error("models", "backtest", "tweets")
    assert "by a version with the classes calm and angry" in sentence
    assert "because sms-spam/1.0.0 scored them, whose classes are ham and spam" in sentence
    # A version whose files changed after it was registered is refused.
    with engine.begin() as connection:
        record = VersionRecord("tweets/1.0.0", "0" * 64, {}, ("calm", "angry"))
        deployments.promote(connection, record, deployed_by="test", reason="")
    assert "tweets/1.0.0" in cli.error("models", "backtest", "tweets")


def test_interrupted_backtest_prints_what_it_counted(
    cli: Cli, engine: Engine, tmp_path: Path
) -> None:
    cli = cli.with_settings(models_dir=tmp_path / "models")
    write_copy(tmp_path / "models", "1.1.0", PASSED)
    with engine.begin() as connection:
        record = VersionRecord(LIVE, "", {}, ("ham", "spam"))
        deployments.promote(connection, record, deployed_by="test", reason="")
    # Each takes seconds.
    submit(cli, engine, "shop", [f"{n} {HAM} " * 6_000 for n in range(9)])
    with cli.start("models", "backtest", "sms-spam") as process:
        assert process.stderr is not None
        assert process.stderr.readline() == b"Scoring 9 texts with sms-spam/1.1.0.\n"
        process.send_signal(signal.SIGINT)
        printed, errors = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == 130
    assert b"sms-spam/1.1.0 on texts scored since" in printed
    interrupted = rb"Interrupted after \d of 9 texts, which are a random sample of them\."
    assert re.fullmatch(interrupted, errors.splitlines()[-1])


def contents(engine: Engine) -> list[int]:
    """Return the number of rows of every table that a score or a deployment would change."""
    tables = ("jobs", "predictions", "labels", "model_versions", "deployments")
    with engine.connect() as connection:
        return [
            connection.execute(text(f"SELECT count(*) FROM plumbline.{table}")).scalar_one()
            for table in tables
        ]
