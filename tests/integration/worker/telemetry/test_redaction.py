"""No log contains the text of a job, whatever fails and however a message is malformed."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import pytest
import redis
from sqlalchemy import Engine, text

from plumbline.queues import KEY_PREFIX, SCORE_QUEUE
from plumbline_client import Client
from tests import poison
from tests.celery_producer import Envelope, envelope
from tests.waiting import eventually
from tests.workers import start_worker

MARKER = "the heron waits at the sluice"
MAX_CHARS = 200
PICKLE = "application/x-python-serialize"
SETTINGS = {"max_attempts": 1, "max_text_chars": MAX_CHARS, "child_memory_mb": 1_000}


def marked(task_id: str, body: Any, **headers: Any) -> Envelope:
    """Return an envelope whose headers contain the marker as well."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return envelope(task_id, content, **{"argsrepr": MARKER, "kwargsrepr": MARKER} | headers)


def arguments(jobs: Any = None, **more: Any) -> list[Any]:
    return [[], {"version": 1, "jobs": jobs or [{"text": MARKER}], **more}, {}]


def malformed_messages() -> list[bytes]:
    """Return messages that contain the marker, most of them invalid, each for another reason."""
    envelopes = [
        marked("fine", arguments()),
        marked("too-long", arguments([{"text": MARKER * MAX_CHARS}])),
        marked("nul", arguments([{"text": MARKER + "\0\ud800"}])),
        marked("unknown-field", arguments([{"text": "a", MARKER: 1}], **{MARKER: MARKER})),
        marked("wrong-type", arguments([{"text": [MARKER]}])),
        marked("no-uuid", arguments([{"id": MARKER}])),
        marked("no-deadline", arguments([{"text": "a", "deadline": MARKER}])),
        marked("positional", [[MARKER], {}, {}]),
        marked("no-utf8", json.dumps(arguments()).encode() + b"\xff" + MARKER.encode()),
        marked("no-json", b"[" + MARKER.encode()),
        marked("no-list", {"text": MARKER}),
        marked("two-parts", [[], {"text": MARKER}]),
        marked("no-task", arguments(), task="no.such.task"),
        marked("no-name", arguments(), task=None),
        marked("no-eta", arguments(), eta=MARKER),
        marked("no-expiry", arguments(), expires=MARKER),
        marked("no-retries", arguments(), retries=MARKER),
        marked("no-limit", arguments(), timelimit=MARKER),
        marked("pickled", pickle.dumps(MARKER)) | {"content-type": PICKLE},
        marked("no-type", arguments()) | {"content-type": MARKER},
        marked("no-encoding", arguments()) | {"content-encoding": MARKER},
        marked("no-headers", arguments()) | {"headers": {}},
        marked("no-headers-2", arguments()) | {"headers": None},
        marked("no-base64", arguments()) | {"body": MARKER},
        {"body": MARKER},
    ]  # fmt: skip
    messages = [json.dumps(message).encode() for message in envelopes]
    return [*messages, MARKER.encode(), json.dumps(MARKER).encode(), json.dumps([MARKER]).encode()]


@pytest.mark.parametrize(
    ("log_format", "level", "prefixes"),
    [
        ("text", "DEBUG", ["", poison.RAISE, poison.SEGFAULT]),
        ("json", "INFO", ["", poison.RAISE, poison.EXHAUST]),
    ],
)
def test_no_text_is_in_any_log(
    database_url: str,
    broker_url: str,
    engine: Engine,
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
    log_format: str,
    level: str,
    prefixes: list[str],
) -> None:
    with (
        start_worker(
            database_url,
            broker_url,
            tmp_path,
            settings=SETTINGS | {"log_format": log_format},
            options=("--loglevel", level),
            app="tests.poison_app",
        ) as worker,
        Client(database_url, broker_url, message_size=1) as client,
        redis.Redis.from_url(broker_url) as keys,
    ):
        # Until the constraint is dropped, the database refuses a row and quotes it in the error.
        execute(engine, "ALTER TABLE plumbline.jobs ADD CONSTRAINT no CHECK (source <> 'refused')")
        refused = marked("refused", arguments([{"text": MARKER}], source="refused"))
        keys.lpush(KEY_PREFIX + SCORE_QUEUE, json.dumps(refused).encode(), *malformed_messages())
        ids = [client.submit(f"{prefix} {MARKER}".strip()).job_id for prefix in prefixes]
        assert {row.state for row in client.wait(ids)} == {"scored", "quarantined"}
        worker.wait_for_log("message refused will be retried")
        execute(engine, "ALTER TABLE plumbline.jobs DROP CONSTRAINT no")
        eventually(lambda: no_message_is_left(keys), otherwise="messages are left in Redis")
        log = worker.log()
    logs = [log, *(path.read_text() for path in server_logs(tmp_path_factory))]
    assert len(logs) > 2
    assert [line for log in logs for line in log.splitlines() if MARKER in line] == []
    assert "message refused is rejected" not in log
    # Otherwise nothing was logged that could have quoted the text.
    assert log.count(" is rejected: ") >= 10 and "Traceback (most recent call last)" in log
    if log_format == "json":
        check_json_lines(log)


def execute(engine: Engine, statement: str) -> None:
    with engine.begin() as connection:
        connection.execute(text(statement))


def no_message_is_left(keys: redis.Redis) -> bool:
    return not keys.llen(KEY_PREFIX + SCORE_QUEUE) and not keys.hlen(KEY_PREFIX + "unacked")


def server_logs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return list(tmp_path_factory.getbasetemp().glob("*/server.log"))


def check_json_lines(log: str) -> None:
    """Check that every logged line is an object with the documented fields."""
    lines = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    scored = [line for line in lines if line.get("scored")]
    assert {"message_id", "task_id", "chunk_ms", "score_ms", "queue_ms", "tokens"} <= (
        scored[0].keys()
    )
    failed = [line for line in lines if line.get("job_id")]
    assert {line["kind"] for line in failed} == {"model", "memory"}
    for line in lines:
        assert {"time", "level", "logger", "message", "process", "pid"} <= line.keys()
