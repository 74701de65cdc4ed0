"""`plumbline submit`, from a file to results, and with everything that can go wrong on the way."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from tests.command import NOWHERE, TIMEOUT_S, Cli
from tests.ledger import count_jobs
from tests.servers import unavailable
from tests.waiting import eventually
from tests.workers import start_worker


def test_texts_travel_from_a_file_to_results(
    cli: Cli, database_url: str, broker_url: str, tmp_path: Path
) -> None:
    cli.write("a.csv", 'id,text\n1,"Lunch tomorrow, at one?"\n2,WIN a FREE prize! Call NOW\n3,\n')
    submit = ("submit", "a.csv", "--key-column", "id", "--source", "shop")
    with start_worker(database_url, broker_url, tmp_path, concurrency=1):
        *lines, summary = cli.json_lines(*submit, "--wait")
        assert [(line["kind"], line.get("line")) for line in lines[:3]] == [
            ("receipt", 2),
            ("receipt", 3),
            ("receipt", 4),
        ]
        assert {line["job_id"] for line in lines[3:]} == {line["job_id"] for line in lines[:3]}
        assert (summary["accepted"], summary["rejected"], summary["known"]) == (2, 1, 0)
        assert summary["ended"]["rejected"] == 1

        again = cli.run(*submit, "--wait")
        assert "known" in again
        assert "Lunch tomorrow, at one?" in again
        assert "the text is empty" in again
        status = cli.json("status")
        assert status["ok"] is True
        assert status["counts"] == {"rejected": 1, "scored": 2}
        assert status["live_model"] == "sms-spam/1.0.0"
        assert len(status["workers"]) == 1
        assert "sms-spam/1.0.0" in cli.run("status")

    results = cli.json("results", "--source", "shop")["results"]
    assert {row["key"]: row["state"] for row in results} == {
        "1": "scored",
        "2": "scored",
        "3": "rejected",
    }
    job = next(row for row in results if row["key"] == "1")
    score = cli.json("score", job["text"])
    assert score["model"] == job["model"]
    assert score["probability"] == pytest.approx(job["probability"], abs=1e-5)
    shown = cli.json("show", job["job_id"])
    assert shown["predictions"][0]["features"] == score["features"]
    assert job["text"] in cli.run("show", job["job_id"][:8].upper())
    assert cli.json("models", "list")["live"] == "sms-spam/1.0.0"

    assert cli.json("db", "purge", "--older-than", "1h")["purged"] == 0
    assert cli.json("db", "purge", "--older-than", "0s")["purged"] == 2
    purged = cli.json("show", job["job_id"])
    assert purged["text"] is None
    assert purged["text_sha256"] == shown["text_sha256"]
    assert purged["predictions"] == shown["predictions"]
    assert cli.json_lines(*submit)[-1]["known"] == 3


def test_invalid_lines_are_skipped_and_reported_by_number(cli: Cli, engine: Engine) -> None:
    lines = [
        '{"text": "before"}',
        "not json",
        '{"text": ""}',
        '{"no": 1}',
        '{"text": "nul \\u0000 byte"}',
        '{"text": "lone \\ud800 surrogate"}',
        json.dumps({"text": "x" * 1_000_000}),
        '{"text": "after"}',
    ]
    cli.write("a.jsonl", "\n".join(lines))
    *receipts, summary = cli.json_lines("submit", "a.jsonl", code=1)
    errors = {line["line"]: line["error"] for line in receipts if line["error"]}
    assert errors.keys() == {2, 3, 4, 7}
    assert errors[2].startswith("it is not JSON")
    assert errors[3] == "the text is empty"
    assert errors[4] == "it has no 'text'"
    assert errors[7].startswith("the text has 1,000,000 characters")
    assert {name: summary[name] for name in ("accepted", "rejected", "unreadable")} == {
        "accepted": 4,
        "rejected": 2,
        "unreadable": 2,
    }
    assert count_jobs(engine, "state = 'queued'") == 4
    assert count_jobs(engine, "state = 'rejected'") == 2
    assert count_jobs(engine, "notes = '{nul_replaced}'") == 1
    assert count_jobs(engine, "notes = '{surrogate_replaced}'") == 1
    printed = cli.run("submit", "a.jsonl", code=1)
    assert "line 2: it is not JSON" in printed
    assert "line 7: the text has 1,000,000 characters" in printed


def test_csv_with_nul_and_invalid_utf_8_is_accepted(cli: Cli, engine: Engine) -> None:
    cli.write("a.csv", b"text\na\0b\nc\xffd\n")
    assert cli.json_lines("submit", "a.csv")[-1]["accepted"] == 2
    replaced = "notes <> '{}' AND text LIKE '_\N{REPLACEMENT CHARACTER}_'"
    assert count_jobs(engine, replaced) == 2


def test_unreadable_file_is_one_sentence_and_submits_nothing(cli: Cli, engine: Engine) -> None:
    cli.write("a.csv", "id,body\n1,hello\n")
    assert cli.error("submit", "a.csv") == "a.csv has no column 'text'; its columns are: id, body."
    assert "no column 'key'" in cli.error(
        "submit", "a.csv", "--text-column", "body", "--key-column", "key"
    )
    assert "No such file" in cli.error("submit", "absent.csv")
    assert "--format" in cli.error("submit", "a.xls")
    assert "--text" in cli.error("submit")
    assert "--text" in cli.error("submit", "a.csv", "--text", "both")
    assert "--deadline" in cli.error("submit", "a.csv", "--deadline", "soon")
    assert "source" in cli.error("submit", "--text", "x", "--source", "")
    assert count_jobs(engine) == 0


def test_standard_input_is_submitted(cli: Cli, engine: Engine) -> None:
    lines = cli.json_lines("submit", "-", stdin="één\n\ntwo\n".encode())
    assert lines[-1]["accepted"] == 2
    lines = cli.json_lines("submit", "-", "--format", "jsonl", stdin=b'{"text": "3"}')
    assert lines[-1]["accepted"] == 1
    assert cli.json_lines("submit", "-", stdin=b"")[-1]["accepted"] == 0
    assert count_jobs(engine) == 3


def test_no_accepted_text_is_lost_while_redis_is_down(cli: Cli, engine: Engine) -> None:
    down = cli.with_settings(broker_url=f"redis://:hunter2@{NOWHERE}/0")
    done = down.complete("submit", "--text", "hello", "--json")
    *_, summary = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0
    assert (summary["accepted"], summary["unpublished"]) == (1, 1)
    assert b"cannot be reached" in done.stderr
    assert b"hunter2" not in done.stderr
    assert count_jobs(engine, "state = 'queued' AND published_at IS NULL") == 1
    assert "cannot be reached" in down.error("drift", "run")

    status = down.json("status", code=1)
    assert status["ok"] is False
    assert status["counts"] == {"queued": 1}
    assert NOWHERE in status["broker_error"]
    assert "cannot be reached" in down.run("status", code=1)


def test_accepted_texts_stay_accepted_when_the_database_is_lost(
    cli: Cli, engine: Engine, postgres_server_url: str
) -> None:
    with cli.start("submit", "-") as process:
        assert process.stdin is not None
        process.stdin.write(b"".join(b"text %d\n" % number for number in range(100)))
        process.stdin.flush()
        eventually(lambda: count_jobs(engine) == 64)
        assert engine.url.database is not None
        engine.dispose()
        with unavailable(postgres_server_url, engine.url.database):
            _, errors = process.communicate(b"last\n", TIMEOUT_S)
    first, second = errors.decode().splitlines()
    assert first.startswith("Stopped after at least 64 texts, which stay accepted;")
    assert "cannot be reached" in second
    assert process.returncode == 1
    assert count_jobs(engine, "state = 'queued'") == 64


def test_interrupted_file_is_completed_by_submitting_it_again(cli: Cli, engine: Engine) -> None:
    texts = 30_000
    cli.write("a.csv", "id,text\n" + "".join(f"{n},text {n}\n" for n in range(texts)))
    submit = ("submit", "a.csv", "--key-column", "id")
    with cli.start(*submit) as process:
        eventually(lambda: count_jobs(engine) > 500)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == 130
    assert b"submit the file again" in errors
    before = count_jobs(engine)
    assert 500 < before < texts
    summary = cli.json_lines(*submit)[-1]
    assert (summary["accepted"], summary["known"]) == (texts - before, before)
    assert count_jobs(engine) == texts


def test_full_backlog_refuses_or_waits(cli: Cli, engine: Engine) -> None:
    small = cli.with_settings(max_backlog=2, message_size=2)
    name = cli.write("texts.txt", "one\ntwo\nthree\n")
    refused = small.complete("submit", name, "--on-full", "refuse")
    assert refused.returncode == 1
    assert refused.stderr.decode().splitlines() == [
        "Stopped after at least 2 texts, which stay accepted; without --key-column, submitting the "
        "file again would score them twice.",
        "2 or more texts are queued, and the limit is 2 (PLUMBLINE_MAX_BACKLOG); try again later.",
    ]
    assert count_jobs(engine) == 2
    with small.start("submit", "--text", "patient") as waiting:
        assert waiting.stderr is not None
        assert b"2 texts are queued already" in waiting.stderr.readline()
        with engine.begin() as connection:
            connection.execute(text("UPDATE plumbline.jobs SET state = 'expired'"))
        waiting.communicate(timeout=TIMEOUT_S)
    assert waiting.returncode == 0
    assert count_jobs(engine) == 3
