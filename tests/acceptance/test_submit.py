"""`plumbline submit`, from a file to results, and with everything that can go wrong on the way."""

from __future__ import annotations

import gzip
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
    assert purged["text_hash"] == shown["text_hash"] is not None
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


def test_replaced_characters_and_skipped_lines_are_counted(cli: Cli, engine: Engine) -> None:
    cli.write("a.csv", b"text\na\0b\nc\xffd\nplain\n")
    *_, summary = cli.json_lines("submit", "a.csv", code=1)
    assert (summary["accepted"], summary["unreadable"]) == (2, 1)
    assert summary["replaced"] == {"nul_replaced": {"count": 1, "lines": [2]}}
    assert summary["skipped"] == {"wrong_encoding": {"count": 1, "lines": [3]}}
    assert count_jobs(engine, "text = 'a\N{REPLACEMENT CHARACTER}b' AND notes <> '{}'") == 1
    printed = cli.run("submit", "a.csv", code=1)
    assert "line 3: it has bytes that are not UTF-8; correct it, or name --encoding" in printed
    assert "NULs were replaced: 1 (line 2)" in printed


def test_bytes_are_read_in_their_encoding_or_refused(cli: Cli, engine: Engine) -> None:
    lines = "WINNER!! Claim your prize now\r\nGrüße, bis sechs"
    cli.write("u16.txt", lines.encode("utf-16"))
    assert cli.json_lines("submit", "u16.txt")[-1]["accepted"] == 2
    packed = gzip.compress(lines.encode("utf-16"))
    assert cli.json_lines("submit", "-", stdin=packed)[-1]["accepted"] == 2
    latin = lines.encode("cp1252")
    assert "as in --encoding cp1252" in cli.error("submit", "-", stdin=latin)
    assert cli.json_lines("submit", "-", "--encoding", "cp1252", stdin=latin)[-1]["accepted"] == 2
    for line in lines.split("\r\n"):
        assert count_jobs(engine, f"text = '{line}'") == 3
    for content, kind in (
        (lines.encode("utf-16-le"), "is in UTF-16-LE without a byte order mark"),
        (b"%PDF-1.7\n\xe2\xe3\xcf\xd3\n1 0 obj\n", "is a PDF document, not text."),
    ):
        assert kind in cli.error("submit", cli.write("a.txt", content))
    assert "'rot13' is not an encoding" in cli.error("submit", "a.txt", "--encoding", "rot13")
    assert count_jobs(engine) == 6


def test_open_quote_costs_its_own_row_alone(cli: Cli, engine: Engine) -> None:
    cli.write(
        "q.csv",
        'id;text\n1;See you at six\n2;"never closed\n3;third text\n4;fourth, text\n'
        "5;WINNER claim your prize\n",
    )
    submit = ("submit", "q.csv", "--key-column", "id", "--source", "q")
    *lines, summary = cli.json_lines(*submit, code=1)
    assert (summary["accepted"], summary["unreadable"]) == (4, 1)
    assert summary["skipped"] == {"open_quote": {"count": 1, "lines": [3]}}
    assert [line["line"] for line in lines if line["kind"] == "unreadable"] == [3]
    assert count_jobs(engine, "text LIKE '%' || chr(10) || '%'") == 0


def test_doubled_columns_are_refused(cli: Cli, engine: Engine) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    arrays = [pyarrow.array(["a"]), pyarrow.array(["b"])]
    parquet.write_table(pyarrow.table(arrays, names=["text", "text"]), cli.folder / "dup.parquet")
    cli.write("dup.csv", "text,text,id\nfirst,second,1\n")
    for name in ("dup.parquet", "dup.csv"):
        sentence = cli.error("submit", name)
        assert sentence == f"{name} has 2 columns named 'text'; rename all but one of them."
    assert count_jobs(engine) == 0


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
