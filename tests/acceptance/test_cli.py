"""The command line as a person and a program use it, against real servers and workers."""

from __future__ import annotations

import csv
import json
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import Engine, text

from tests.artifacts import FAILED, PASSED, write_artifact, write_copy
from tests.waiting import eventually
from tests.workers import environment, worker

PLUMBLINE = Path(sys.executable).with_name("plumbline")
ALL_QUEUES = "plumbline.score,plumbline.bulk,plumbline.upkeep,plumbline.reports"
NOWHERE = "127.0.0.1:1"
TIMEOUT_S = 60


@dataclass(frozen=True, slots=True)
class Cli:
    """Runs `plumbline` in a folder of its own, with these settings."""

    folder: Path
    environment: Mapping[str, str]

    def run(self, *arguments: str, code: int = 0, stdin: bytes = b"") -> str:
        """What it printed; fails unless it ended with `code`, and on any traceback."""
        done = self.done(*arguments, stdin=stdin)
        assert done.returncode == code, done.stderr.decode()
        return done.stdout.decode()

    def json(self, *arguments: str, code: int = 0, stdin: bytes = b"") -> Any:
        return json.loads(self.run(*arguments, "--json", code=code, stdin=stdin))

    def lines(self, *arguments: str, code: int = 0, stdin: bytes = b"") -> list[Any]:
        printed = self.run(*arguments, "--json", code=code, stdin=stdin)
        return [json.loads(line) for line in printed.splitlines()]

    def refused(self, *arguments: str, stdin: bytes = b"") -> str:
        """The one sentence it ended with; fails if it printed anything else."""
        done = self.done(*arguments, stdin=stdin)
        sentence = done.stderr.decode()
        assert done.returncode == 1, sentence
        assert done.stdout == b""
        assert sentence.count("\n") == 1, sentence
        assert sentence.endswith(".\n")
        return sentence.rstrip("\n")

    def done(self, *arguments: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        done = subprocess.run(
            [PLUMBLINE, *arguments],
            input=stdin,
            capture_output=True,
            cwd=self.folder,
            env=self.environment,
            timeout=TIMEOUT_S,
            check=False,
        )
        assert b"Traceback" not in done.stderr, done.stderr.decode()
        return done

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [PLUMBLINE, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=self.folder,
            env=self.environment,
        )

    def with_settings(self, **settings: object) -> Cli:
        changed = {f"PLUMBLINE_{name.upper()}": str(value) for name, value in settings.items()}
        return Cli(self.folder, {**self.environment, **changed})

    def write(self, name: str, content: str | bytes) -> str:
        raw = content.encode() if isinstance(content, str) else content
        (self.folder / name).write_bytes(raw)
        return name


@pytest.fixture
def cli(database_url: str, broker_url: str, tmp_path: Path) -> Cli:
    inherited = environment(database_url, broker_url, tmp_path)
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER"):
        inherited.pop(name, None)
    return Cli(tmp_path, inherited | {"COLUMNS": "120"})


@pytest.fixture
def empty_database_url(postgres_server_url: str) -> Iterator[str]:
    """A database without tables."""
    name = "empty_" + uuid.uuid4().hex
    with psycopg.connect(postgres_server_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        yield postgres_server_url.rpartition("/")[0] + "/" + name
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def jobs(engine: Engine, condition: str = "true") -> int:
    with engine.connect() as connection:
        found = connection.execute(text(f"SELECT count(*) FROM plumbline.jobs WHERE {condition}"))
        return int(found.scalar_one())


def test_from_a_file_to_results(
    cli: Cli, database_url: str, broker_url: str, tmp_path: Path
) -> None:
    cli.write("a.csv", 'id,text\n1,"Lunch tomorrow, at one?"\n2,WIN a FREE prize! Call NOW\n3,\n')
    submitting = ("submit", "a.csv", "--key-column", "id", "--source", "shop")
    with worker(database_url, broker_url, tmp_path, concurrency=1):
        *lines, summary = cli.lines(*submitting, "--wait")
        assert [(line["kind"], line.get("line")) for line in lines[:3]] == [
            ("receipt", 2),
            ("receipt", 3),
            ("receipt", 4),
        ]
        assert {line["job_id"] for line in lines[3:]} == {line["job_id"] for line in lines[:3]}
        assert (summary["accepted"], summary["rejected"], summary["known"]) == (2, 1, 0)
        assert summary["ended"]["rejected"] == 1

        again = cli.run(*submitting, "--wait")
        assert "known" in again
        assert "Lunch tomorrow, at one?" in again
        assert "the text is empty" in again
        status = cli.json("status")
        assert status["ok"] is True
        assert status["counts"] == {"rejected": 1, "scored": 2}
        assert status["live_model"] == "sms-spam/1.0.0"
        assert len(status["workers"]) == 1
        assert "sms-spam/1.0.0" in cli.run("status")

    found = cli.json("results", "--source", "shop")["results"]
    assert {row["key"]: row["state"] for row in found} == {
        "1": "scored",
        "2": "scored",
        "3": "rejected",
    }
    job = next(row for row in found if row["key"] == "1")
    here = cli.json("score", job["text"])
    assert here["model"] == job["model"]
    assert here["probability"] == pytest.approx(job["probability"], abs=1e-5)
    shown = cli.json("show", job["job_id"])
    assert shown["predictions"][0]["features"] == here["features"]
    assert job["text"] in cli.run("show", job["job_id"][:8].upper())
    assert cli.json("models", "list")["live"] == "sms-spam/1.0.0"

    assert cli.json("db", "purge", "--older-than", "1h")["purged"] == 0
    assert cli.json("db", "purge", "--older-than", "0s")["purged"] == 2
    forgotten = cli.json("show", job["job_id"])
    assert forgotten["text"] is None
    assert forgotten["text_sha256"] == shown["text_sha256"]
    assert forgotten["predictions"] == shown["predictions"]
    assert cli.lines(*submitting)[-1]["known"] == 3


def test_a_drift_report_from_asking_to_opening(
    cli: Cli, database_url: str, broker_url: str, tmp_path: Path
) -> None:
    cli.write("odd.txt", "\n".join(f"ACT NOW {n}!!! 100% 555-0{n}" for n in range(100, 140)))
    settings = {"drift_min_rows": 30}
    with worker(
        database_url, broker_url, tmp_path, concurrency=1, queues=ALL_QUEUES, settings=settings
    ):
        cli.run("submit", "odd.txt", "--source", "odd", "--wait")
        made = cli.json("drift", "run", "--source", "odd", "--since", "1h")
    assert made["verdict"] == "drift"
    assert made["window_rows"] == 40
    assert made["values"][0]["drifted"] is True
    feature = next(value["feature"] for value in made["values"] if value["histogram"])

    assert [report["id"] for report in cli.json("drift", "list")["reports"]] == [made["id"]]
    listed = cli.run("drift", "list", "--source", "odd", "--verdict", "drift", "--limit", "1")
    assert made["summary"][:20] in listed and "profile" in listed
    assert cli.json("drift", "list", "--verdict", "stable") == {"reports": []}
    assert "There are no such drift reports." in cli.run("drift", "list", "--source", "even")
    assert cli.json("drift", "show") == made
    printed = cli.run("drift", "show", str(made["id"]))
    assert f"{feature}, reference" in printed
    assert f"{feature}, window" in printed
    assert "in standard errors" in printed
    assert cli.json("drift", "show", "--png", "drift.png") == made
    assert (tmp_path / "drift.png").read_bytes().startswith(b"\x89PNG")
    assert "decision, window" in cli.run("drift", "show", "--feature", "decision")
    assert "no feature 'nose'; it has: " in cli.refused("drift", "show", "--feature", "nose")
    page = Path(cli.run("drift", "open").strip())
    assert page.stat().st_size > 1_000
    page.unlink()
    assert f"{page}, was removed" in cli.refused("drift", "open")


def test_a_drift_report_nobody_makes_names_the_worker_that_should(cli: Cli) -> None:
    sentence = cli.refused("drift", "run", "--timeout", "1s")
    assert "plumbline up" in sentence
    assert "-Q plumbline.reports" in sentence
    assert "There is no drift report yet" in cli.refused("drift", "show")
    assert "There is no drift report 7;" in cli.refused("drift", "show", "7")
    assert "There is no drift report" in cli.refused("drift", "show", str(10**30))


def test_results_are_filtered_and_exported(cli: Cli, engine: Engine) -> None:
    cli.write("a.txt", "".join(f"text {number}\n" for number in range(120)) + " \n")
    cli.run("submit", "a.txt", "--source", "one")
    cli.run("submit", "--text", "hello", "--source", "two")
    assert len(cli.json("results")["results"]) == 122
    assert len(cli.json("results", "--source", "two")["results"]) == 1
    assert len(cli.json("results", "--state", "rejected")["results"]) == 1
    assert len(cli.json("results", "--limit", "7")["results"]) == 7
    assert len(cli.json("results", "--since", "1h")["results"]) == 122
    assert cli.json("results", "--until", "1h")["results"] == []
    assert cli.json("results", "--decision", "review", "--model", "x/1.0.0")["results"] == []
    assert "The newest 50;" in cli.run("results")
    assert "There are no such results." in cli.run("results", "--source", "three")

    for name in ("a.csv", "a.jsonl", "a.parquet"):
        cli.run("results", "--source", "one", "--output", name)
    with (cli.folder / "a.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert sorted(row["text"] for row in rows)[0] == ""
    assert len(rows) == 121
    lines = (cli.folder / "a.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["job_id"] for line in lines] == [row["job_id"] for row in rows]
    parquet = pytest.importorskip("pyarrow.parquet")
    assert parquet.read_table(cli.folder / "a.parquet")["job_id"].to_pylist() == [
        row["job_id"] for row in rows
    ]
    assert jobs(engine) == 122


def test_a_reader_that_has_read_enough_is_no_error(cli: Cli) -> None:
    cli.write("a.txt", "".join(f"text {number}\n" for number in range(2_000)))
    cli.run("submit", "a.txt")
    for output in (["--format", "jsonl"], ["--format", "csv"], ["--limit", "1000"]):
        with cli.start("results", *output) as process:
            assert process.stdout is not None and process.stderr is not None
            process.stdout.readline()
            process.stdout.close()
            assert process.stderr.read() == b""
            assert process.wait(TIMEOUT_S) == 0


def test_bad_texts_and_lines_cost_only_themselves(cli: Cli, engine: Engine) -> None:
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
    *receipts, summary = cli.lines("submit", "a.jsonl", code=1)
    told = {line["line"]: line["error"] for line in receipts if line["error"]}
    assert told.keys() == {2, 3, 4, 7}
    assert told[2].startswith("it is not JSON")
    assert told[3] == "the text is empty"
    assert told[4] == "it has no 'text'"
    assert told[7].startswith("the text has 1,000,000 characters")
    assert {name: summary[name] for name in ("accepted", "rejected", "unreadable")} == {
        "accepted": 4,
        "rejected": 2,
        "unreadable": 2,
    }
    assert jobs(engine, "state = 'queued'") == 4
    assert jobs(engine, "state = 'rejected'") == 2
    assert jobs(engine, "notes = '{nul_replaced}'") == 1
    assert jobs(engine, "notes = '{surrogate_replaced}'") == 1
    printed = cli.run("submit", "a.jsonl", code=1)
    assert "line 2: it is not JSON" in printed
    assert "line 7: the text has 1,000,000 characters" in printed


def test_a_csv_with_nul_and_bytes_that_are_no_utf_8_is_taken(cli: Cli, engine: Engine) -> None:
    cli.write("a.csv", b"text\na\0b\nc\xffd\n")
    assert cli.lines("submit", "a.csv")[-1]["accepted"] == 2
    assert jobs(engine, "notes <> '{}' AND text LIKE '_\N{REPLACEMENT CHARACTER}_'") == 2


def test_files_that_cannot_be_read_are_one_sentence_and_send_nothing(
    cli: Cli, engine: Engine
) -> None:
    cli.write("a.csv", "id,body\n1,hello\n")
    assert (
        cli.refused("submit", "a.csv") == "a.csv has no column 'text'; its columns are: id, body."
    )
    assert "no column 'key'" in cli.refused(
        "submit", "a.csv", "--text-column", "body", "--key-column", "key"
    )
    assert "No such file" in cli.refused("submit", "absent.csv")
    assert "--format" in cli.refused("submit", "a.xls")
    assert "--text" in cli.refused("submit")
    assert "--text" in cli.refused("submit", "a.csv", "--text", "both")
    assert "--deadline" in cli.refused("submit", "a.csv", "--deadline", "soon")
    assert "source" in cli.refused("submit", "--text", "x", "--source", "")
    assert jobs(engine) == 0


def test_standard_input_is_submitted(cli: Cli, engine: Engine) -> None:
    assert cli.lines("submit", "-", stdin="één\n\ntwo\n".encode())[-1]["accepted"] == 2
    assert (
        cli.lines("submit", "-", "--format", "jsonl", stdin=b'{"text": "3"}')[-1]["accepted"] == 1
    )
    assert cli.lines("submit", "-", stdin=b"")[-1]["accepted"] == 0
    assert jobs(engine) == 3


def test_while_redis_is_down_nothing_accepted_is_lost(cli: Cli, engine: Engine) -> None:
    down = cli.with_settings(broker_url=f"redis://:hunter2@{NOWHERE}/0")
    done = down.done("submit", "--text", "hello", "--json")
    *_, summary = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0
    assert (summary["accepted"], summary["unpublished"]) == (1, 1)
    assert b"cannot be reached" in done.stderr
    assert b"hunter2" not in done.stderr
    assert jobs(engine, "state = 'queued' AND published_at IS NULL") == 1
    assert "cannot be reached" in down.refused("drift", "run")

    status = down.json("status", code=1)
    assert status["ok"] is False
    assert status["counts"] == {"queued": 1}
    assert NOWHERE in status["broker_error"]
    assert "cannot be reached" in down.run("status", code=1)


def test_a_database_that_is_away_is_one_sentence(cli: Cli) -> None:
    cli.write("a.txt", "hello\n")
    cli.write("l.csv", f"job_id,label\n{uuid.uuid4()},1\n")
    away = cli.with_settings(database_url=f"postgresql://me:hunter2@{NOWHERE}/x")
    for arguments in (
        ("submit", "a.txt"),
        ("submit", "a.txt", "--json"),
        ("results",),
        ("results", "--json"),
        ("show", "abcd"),
        ("drift", "list"),
        ("db", "check"),
        ("db", "upgrade"),
        ("db", "purge", "--older-than", "1d"),
        ("models", "promote", "sms-spam"),
        ("label", "l.csv"),
        ("retrain", "--from-labels"),
    ):
        sentence = away.refused(*arguments)
        assert "cannot be reached" in sentence
        assert "hunter2" not in sentence
    status = away.json("status", code=1)
    assert "cannot be reached" in status["database_error"]
    assert status["queued_messages"] == 0


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("nonsense", "cannot be read"),
        ("mysql://host/x", "needs postgresql://"),
        ("postgresql://host:port/x", "cannot be read"),
    ],
)
def test_a_database_url_that_is_none_is_one_sentence(cli: Cli, url: str, expected: str) -> None:
    wrong = cli.with_settings(database_url=url)
    assert expected in wrong.refused("submit", "--text", "hello")
    assert expected in wrong.json("status", code=1)["database_error"]


def test_a_database_lost_on_the_way_keeps_what_was_accepted(
    cli: Cli, engine: Engine, postgres_server_url: str
) -> None:
    process = cli.start("submit", "-")
    assert process.stdin is not None
    process.stdin.write(b"".join(b"text %d\n" % number for number in range(100)))
    process.stdin.flush()
    eventually(lambda: jobs(engine) == 64)
    name = engine.url.database
    engine.dispose()
    with psycopg.connect(postgres_server_url, autocommit=True) as connection:
        connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,)
        )
        _, errors = process.communicate(b"last\n", TIMEOUT_S)
        connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
    first, second = errors.decode().splitlines()
    assert first.startswith("Stopped after at least 64 texts, which are safe;")
    assert "cannot be reached" in second
    assert process.returncode == 1
    assert jobs(engine, "state = 'queued'") == 64


def test_labels_written_before_the_database_was_lost_are_kept(
    cli: Cli, engine: Engine, postgres_server_url: str
) -> None:
    cli.write("a.csv", "id,text\n" + "".join(f"{n},text {n}\n" for n in range(1_500)))
    cli.run("submit", "a.csv", "--key-column", "id")
    process = cli.start("label", "-", "--format", "csv", "--key-column", "id")
    assert process.stdin is not None
    process.stdin.write(b"id,label\n" + b"".join(b"%d,%d\n" % (n, n % 2) for n in range(1_500)))
    process.stdin.flush()

    def labelled() -> int:
        with engine.connect() as connection:
            found = connection.execute(text("SELECT count(*) FROM plumbline.labels"))
            return int(found.scalar_one())

    eventually(lambda: labelled() == 1_000)
    name = engine.url.database
    engine.dispose()
    with psycopg.connect(postgres_server_url, autocommit=True) as connection:
        connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,)
        )
        _, errors = process.communicate(timeout=TIMEOUT_S)
        connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
    first, second = errors.decode().splitlines()
    assert first == "Stopped after at least 1,000 labels, which are kept; give the file again."
    assert "cannot be reached" in second
    assert process.returncode == 1
    assert labelled() == 1_000


def test_an_interrupted_file_is_finished_by_sending_it_again(cli: Cli, engine: Engine) -> None:
    texts = 30_000
    cli.write("a.csv", "id,text\n" + "".join(f"{n},text {n}\n" for n in range(texts)))
    submitting = ("submit", "a.csv", "--key-column", "id")
    process = cli.start(*submitting)
    eventually(lambda: jobs(engine) > 500)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == 130
    assert b"send the file again" in errors
    before = jobs(engine)
    assert 500 < before < texts
    summary = cli.lines(*submitting)[-1]
    assert (summary["accepted"], summary["known"]) == (texts - before, before)
    assert jobs(engine) == texts


def test_a_full_backlog_refuses_or_waits(cli: Cli, engine: Engine) -> None:
    small = cli.with_settings(max_backlog=2, message_size=2)
    name = cli.write("texts.txt", "one\ntwo\nthree\n")
    refused = small.done("submit", name, "--on-full", "refuse")
    assert refused.returncode == 1
    assert refused.stderr.decode().splitlines() == [
        "Stopped after at least 2 texts, which are safe; without --key-column, sending the file "
        "again would score them twice.",
        "2 texts or more wait to be scored, and at most 2 may (PLUMBLINE_MAX_BACKLOG); try again "
        "later.",
    ]
    assert jobs(engine) == 2
    waiting = small.start("submit", "--text", "patient")
    assert waiting.stderr is not None
    assert b"2 texts wait to be scored already" in waiting.stderr.readline()
    with engine.begin() as connection:
        connection.execute(text("UPDATE plumbline.jobs SET state = 'expired'"))
    waiting.communicate(timeout=TIMEOUT_S)
    assert waiting.returncode == 0
    assert jobs(engine) == 3


def test_what_waits_can_be_cancelled_and_nothing_else(cli: Cli, engine: Engine) -> None:
    first, second, refused = (
        receipt["job_id"]
        for receipt in cli.lines("submit", cli.write("t.jsonl", CANCELLED))
        if receipt["kind"] == "receipt"
    )
    assert "There is no job" in cli.refused("cancel", first, "0" * 32)
    assert jobs(engine, "state = 'cancelled'") == 0, "all are known, or none is cancelled"
    assert "cancelled" in cli.run("cancel", first, "--reason", "sent by mistake")
    assert jobs(engine, "error = 'sent by mistake'") == 1
    known = {"job_id": first, "cancelled": False, "state": "cancelled", "error": "sent by mistake"}
    assert cli.lines("cancel", first) == [known]
    assert [end["cancelled"] for end in cli.lines("cancel", second, refused, code=1)] == [
        True,
        False,
    ]
    assert "it had ended, and nothing was changed" in cli.run("cancel", refused, code=1)


CANCELLED = '{"text": "one"}\n{"text": "two"}\n{"text": " "}\n'


def test_a_database_without_tables_says_what_to_do(cli: Cli, empty_database_url: str) -> None:
    empty = cli.with_settings(database_url=empty_database_url)
    for arguments in (
        ("submit", "--text", "hello"),
        ("results",),
        ("show", "abcd"),
        ("drift", "run"),
        ("models", "rollback"),
        ("db", "check"),
        ("db", "purge", "--older-than", "1d"),
    ):
        assert "run `plumbline db upgrade`." in empty.refused(*arguments)
    assert "db upgrade" in empty.json("status", code=1)["database_error"]
    version = empty.json("db", "upgrade")["version"]
    assert empty.json("db", "upgrade")["version"] == version
    assert version in empty.run("db", "check")
    assert empty.lines("submit", "--text", "hello")[-1]["accepted"] == 1


def test_without_servers_the_way_to_have_them_is_told(cli: Cli) -> None:
    alone = cli.with_settings(database_url="", broker_url="")
    for arguments in (("submit", "--text", "x"), ("results",), ("status",), ("drift", "run")):
        assert "start `plumbline up`" in alone.refused(*arguments)
    listed = alone.json("models", "list")
    assert [model["model"] for model in listed["models"]] == ["sms-spam/1.0.0"]
    assert listed["live"] is None
    assert "plumbline up" in listed["live_error"]
    assert alone.json("models", "show", "sms-spam")["version"] == "1.0.0"
    assert alone.json("models", "verify") == {
        "models": [{"model": "sms-spam/1.0.0", "ok": True, "error": None}]
    }
    assert alone.json("score", "hello")["decision"] in ("negative", "positive", "review")


def test_a_job_nobody_knows_is_one_sentence(cli: Cli) -> None:
    assert cli.refused("show", "nothing").startswith("'nothing' is no job id;")
    assert "is no job id" in cli.refused("show", "ab")
    assert "is no job id" in cli.refused("show", "0-------")
    unknown = str(uuid.uuid4())
    assert cli.refused("show", unknown) == f"There is no job {unknown}."
    cli.write("a.txt", "".join(f"text {number}\n" for number in range(20)))
    first = cli.lines("submit", "a.txt", "--source", "x")[0]["job_id"]
    assert cli.json("show", first)["state"] == "queued"


def test_score_reads_standard_input_and_refuses_in_one_sentence(cli: Cli) -> None:
    assert cli.json("score", "-", stdin=b"a\0b \xff")["notes"] == [
        "nul_replaced",
        "surrogate_replaced",
    ]
    assert "sms-spam/1.0.0" in cli.run("score", "hello")
    assert cli.refused("score", " ") == "It cannot be scored: the text is empty."
    assert "200,000" in cli.refused("score", "-", "--json", stdin=b"x" * 1_000_000)
    assert "There is no model other" in cli.refused("score", "hello", "--model", "other")


@pytest.fixture
def two_versions(tmp_path: Path) -> Path:
    """A folder of models with two versions that passed their gates, alike but for their names."""
    for version in ("1.0.0", "1.0.1"):
        write_copy(tmp_path / "models", version, PASSED)
    return tmp_path / "models"


def test_promote_and_roll_back(cli: Cli, two_versions: Path) -> None:
    cli = cli.with_settings(models_dir=two_versions)
    assert "nothing to return to" in cli.refused("models", "rollback")
    assert cli.json("models", "promote", "sms-spam/1.0.0", "--reason", "first") == {
        "live": "sms-spam/1.0.0",
        "before": None,
        "forced": False,
    }
    assert "live already" in cli.refused("models", "promote", "sms-spam/1.0.0")
    assert "sms-spam/1.0.1" in cli.run("models", "promote", "sms-spam", "--reason", "newer")
    assert cli.json("models", "list")["live"] == "sms-spam/1.0.1"
    rolled_back = cli.json("models", "rollback")
    assert (rolled_back["live"], rolled_back["before"]) == ("sms-spam/1.0.0", "sms-spam/1.0.1")
    history = cli.json("models", "show", "sms-spam/1.0.0")["deployments"]
    assert [entry["reason"] for entry in history] == ["rolled back from sms-spam/1.0.1", "first"]
    assert all(entry["deployed_by"] for entry in history)


def live(cli: Cli) -> str | None:
    found: str | None = cli.json("models", "list")["live"]
    return found


@pytest.mark.parametrize(
    ("gates", "verdict", "says"),
    [
        (FAILED, "failed", "f1 is 0.85, and at least 0.9 is wanted"),
        ((), "none", "sms-spam/1.0.2 was never gated"),
    ],
)
def test_a_version_that_did_not_pass_its_gates_serves_only_by_force(
    cli: Cli, two_versions: Path, gates: tuple[Any, ...], verdict: str, says: str
) -> None:
    cli = cli.with_settings(models_dir=two_versions)
    write_copy(two_versions, "1.0.2", gates)
    cli.run("models", "promote", "sms-spam/1.0.0")
    for arguments in ((), ("--json",)):
        sentence = cli.refused("models", "promote", "sms-spam/1.0.2", *arguments)
        assert says in sentence
        assert "--force" in sentence
    assert live(cli) == "sms-spam/1.0.0"
    listed = cli.json("models", "list")["models"]
    assert [entry["gates"] for entry in listed] == ["passed", "passed", verdict]
    assert verdict in cli.run("models", "list")

    forced = cli.done("models", "promote", "sms-spam/1.0.2", "--force", "--reason", "in a hurry")
    assert says in forced.stderr.decode()
    assert live(cli) == "sms-spam/1.0.2"
    printed = cli.run("models", "show", "sms-spam/1.0.2")
    assert "in spite of its gates: in a hurry" in printed
    (deployed,) = cli.json("models", "show", "sms-spam/1.0.2")["deployments"]
    assert deployed["forced"] is True

    assert cli.json("models", "promote", "sms-spam/1.0.1", "--force")["forced"] is False
    assert cli.json("models", "rollback")["live"] == "sms-spam/1.0.2", "what served may again"


def test_the_gates_of_a_version_are_shown(cli: Cli, tmp_path: Path) -> None:
    cli = cli.with_settings(models_dir=tmp_path / "models")
    write_copy(tmp_path / "models", "1.0.0", (*PASSED, *FAILED))
    lines = [line.split() for line in cli.run("models", "show", "sms-spam").splitlines()]
    assert ["f1", "0.95", "≥", "0.9", "passed"] in lines
    assert ["f1_drop", "≥", "0.01", "skipped"] in lines
    assert ["f1", "0.85", "≥", "0.9", "failed"] in lines
    write_copy(tmp_path / "models", "1.0.1", ())
    assert "It was never held against gates." in cli.run("models", "show", "sms-spam/1.0.1")


def test_a_version_that_cannot_score_is_not_promoted_even_by_force(
    cli: Cli, two_versions: Path
) -> None:
    cli = cli.with_settings(models_dir=two_versions)
    write_artifact(two_versions, "tiny")
    sentence = cli.refused("models", "promote", "tiny/1.0.0", "--force")
    assert sentence.startswith("tiny/1.0.0 cannot score a text, so it does not serve: ")
    assert live(cli) is None


def test_labels_that_come_late_are_what_retrain_learns_from(cli: Cli, tmp_path: Path) -> None:
    texts = "id,text\n" + "".join(f'{n},"text {n}, with a comma"\n' for n in range(4))
    cli.write("a.csv", texts)
    receipts = cli.lines("submit", "a.csv", "--key-column", "id", "--source", "shop")[:-1]
    labelling = ("label", "l.csv", "--key-column", "id", "--source", "shop")
    cli.write("l.csv", "id,label\n0,1\n1,0\n9,1\n2,spam\n3,1\n0,1\n")
    *missed, summary = cli.lines(*labelling, "--by", "ann", code=1)
    assert [(row["kind"], row["line"]) for row in missed] == [("unknown", 4), ("unusable", 5)]
    assert summary == {
        "kind": "summary",
        "source": "ann",
        "accepted": 3,
        "changed": 0,
        "known": 1,
        "unknown": 1,
        "unusable": 1,
    }
    printed = cli.run(*labelling, "--by", "ann", code=1)
    assert "line 5: its label 'spam' is neither 0 nor 1" in printed
    cli.write("l.jsonl", json.dumps({"job_id": receipts[0]["job_id"], "label": False}))
    assert cli.lines("label", "l.jsonl", "--by", "ann")[-1]["changed"] == 1
    assert "no column 'job_id'" in cli.refused("label", "l.csv")
    assert "add --from-labels" in cli.refused("retrain", "--since", "1h", "--data", "a.csv")

    retrain = ("retrain", "--from-labels", "--since", "1h", "--run-dir", "runs")
    done = cli.done(*retrain, "--job-source", "shop")
    told, sentence = done.stderr.decode().splitlines()
    (exported,) = (tmp_path / ".plumbline" / "retrain").iterdir()
    assert told == f"3 labelled texts, 2 of class 0 and 1 of class 1, are in {exported}."
    assert sentence == f"{exported} holds 3 labelled texts, and at least 50 are needed."
    assert done.returncode == 1
    rows = [json.loads(line) for line in exported.read_text(encoding="utf-8").splitlines()]
    assert sorted((row["text"], row["label"]) for row in rows) == [
        ("text 0, with a comma", 0),
        ("text 1, with a comma", 0),
        ("text 3, with a comma", 1),
    ]
    assert b"0 labelled texts" in cli.done(*retrain, "--job-source", "nobody").stderr
    assert b"absent.csv" in cli.done(*retrain, "--data", "absent.csv").stderr


def test_a_model_with_one_changed_byte_is_refused_everywhere(cli: Cli, two_versions: Path) -> None:
    cli = cli.with_settings(models_dir=two_versions)
    cli.run("models", "promote", "sms-spam/1.0.0")
    model = two_versions / "sms-spam" / "1.0.1" / "model.int8.tflite"
    content = bytearray(model.read_bytes())
    content[len(content) // 2] ^= 1
    model.write_bytes(content)
    for arguments in (("models", "promote", "sms-spam/1.0.1"), ("score", "hello")):
        assert f"{model} is not what its manifest says" in cli.refused(*arguments)
    verified = cli.json("models", "verify", code=1)["models"]
    assert [(entry["model"], entry["ok"]) for entry in verified] == [
        ("sms-spam/1.0.0", True),
        ("sms-spam/1.0.1", False),
    ]
    assert cli.json("models", "list")["live"] == "sms-spam/1.0.0"
    (two_versions / "sms-spam" / "1.0.1" / "manifest.json").write_text("{", encoding="utf-8")
    listed = cli.json("models", "list")["models"]
    assert [entry["error"] is None for entry in listed] == [True, False]
    assert "cannot be read" in cli.run("models", "list")


def test_retrain_is_trainings_own_command(cli: Cli) -> None:
    printed = cli.run("retrain", "--help")
    assert "--from-labels" in printed
    assert "--preset" in printed
    assert "--label-column" in printed
    assert "absent.csv" in cli.refused("retrain", "--data", "absent.csv")
    # A file of that name in the folder one works in is not ours.
    cli.write("training.py", "raise SystemExit(9)")
    assert "absent.csv" in cli.refused("retrain", "--data", "absent.csv")


def test_status_is_watched_until_ctrl_c(cli: Cli) -> None:
    process = cli.start("status", "--watch", "--every", "0.2", "--json")
    assert process.stdout is not None
    looks = [json.loads(process.stdout.readline()) for _ in range(2)]
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == 130
    assert errors == b""
    assert all(look["ok"] and look["workers"] == [] for look in looks)
