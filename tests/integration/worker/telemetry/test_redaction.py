"""No text of a job is in any log, whatever is done to it and however a message is broken."""

from __future__ import annotations

import base64
import json
import pickle
from pathlib import Path
from typing import Any

import pytest
import redis
from sqlalchemy import Engine, text

from plumbline.queues import KEY_PREFIX, SCORE_QUEUE
from plumbline.settings import Settings
from plumbline_client import Client
from tests import poison
from tests.waiting import eventually
from tests.workers import worker

MARKER = "the heron waits at the sluice"
LONGEST = 200
PICKLE = "application/x-python-serialize"
SETTINGS = {"max_attempts": 1, "max_text_chars": LONGEST, "child_memory_mb": 1_000}


def envelope(task_id: str, body: Any, **headers: Any) -> dict[str, Any]:
    """What kombu puts into a Redis list for a task of Celery's protocol 2."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return {
        "body": base64.b64encode(raw).decode(),
        "content-encoding": "utf-8",
        "content-type": "application/json",
        "headers": {"lang": "py", "task": "plumbline.score", "id": task_id, "root_id": task_id}
        | dict.fromkeys(["parent_id", "group", "eta", "expires"])
        | {"retries": 0, "timelimit": [None, None], "argsrepr": MARKER, "kwargsrepr": MARKER}
        | headers,
        "properties": {
            "correlation_id": task_id,
            "delivery_mode": 2,
            "delivery_info": {"exchange": SCORE_QUEUE, "routing_key": SCORE_QUEUE},
            "priority": 0,
            "body_encoding": "base64",
            "delivery_tag": task_id,
        },
    }


def arguments(jobs: Any = None, **more: Any) -> list[Any]:
    return [[], {"version": 1, "jobs": jobs or [{"text": MARKER}], **more}, {}]


def broken() -> list[bytes]:
    """Messages with the marker in them, each broken in its own way."""
    cases = [
        envelope("fine", arguments()),
        envelope("too-long", arguments([{"text": MARKER * LONGEST}])),
        envelope("nul", arguments([{"text": MARKER + "\0\ud800"}])),
        envelope("unknown-field", arguments([{"text": "a", MARKER: 1}], **{MARKER: MARKER})),
        envelope("wrong-type", arguments([{"text": [MARKER]}])),
        envelope("no-uuid", arguments([{"id": MARKER}])),
        envelope("no-deadline", arguments([{"text": "a", "deadline": MARKER}])),
        envelope("positional", [[MARKER], {}, {}]),
        envelope("no-utf8", json.dumps(arguments()).encode() + b"\xff" + MARKER.encode()),
        envelope("no-json", b"[" + MARKER.encode()),
        envelope("no-list", {"text": MARKER}),
        envelope("two-parts", [[], {"text": MARKER}]),
        envelope("no-task", arguments(), task="no.such.task"),
        envelope("no-name", arguments(), task=None),
        envelope("no-eta", arguments(), eta=MARKER),
        envelope("no-expiry", arguments(), expires=MARKER),
        envelope("no-retries", arguments(), retries=MARKER),
        envelope("no-limit", arguments(), timelimit=MARKER),
        envelope("pickled", pickle.dumps(MARKER)) | {"content-type": PICKLE},
        envelope("no-type", arguments()) | {"content-type": MARKER},
        envelope("no-encoding", arguments()) | {"content-encoding": MARKER},
        envelope("no-headers", arguments()) | {"headers": {}},
        envelope("no-headers-2", arguments()) | {"headers": None},
        envelope("no-base64", arguments()) | {"body": MARKER},
        {"body": MARKER},
    ]  # fmt: skip
    whole = [json.dumps(case).encode() for case in cases]
    return [*whole, MARKER.encode(), json.dumps(MARKER).encode(), json.dumps([MARKER]).encode()]


@pytest.mark.parametrize(
    ("log_format", "level", "kinds"),
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
    kinds: list[str],
) -> None:
    with (
        worker(
            database_url,
            broker_url,
            tmp_path,
            settings=SETTINGS | {"log_format": log_format},
            options=("--loglevel", level),
            app="tests.poison_app",
        ) as found,
        Client(database_url, broker_url, settings=Settings(message_size=1)) as client,
        redis.Redis.from_url(broker_url) as keys,
    ):
        # The database refuses a row and quotes it, until it is allowed.
        execute(engine, "ALTER TABLE plumbline.jobs ADD CONSTRAINT no CHECK (source <> 'refused')")
        waits = envelope("refused", arguments([{"text": MARKER}], source="refused"))
        keys.lpush(KEY_PREFIX + SCORE_QUEUE, json.dumps(waits).encode(), *broken())
        ids = [client.submit(f"{kind} {MARKER}".strip()).job_id for kind in kinds]
        assert {row.state for row in client.wait(ids)} == {"scored", "quarantined"}
        found.until_logged("message refused waits")
        execute(engine, "ALTER TABLE plumbline.jobs DROP CONSTRAINT no")
        eventually(lambda: nothing_waits(keys), otherwise="messages still wait")
        log = found.log()
    logs = [log, *(path.read_text() for path in server_logs(tmp_path_factory))]
    assert len(logs) > 2
    assert [line for log in logs for line in log.splitlines() if MARKER in line] == []
    assert "message refused is rejected" not in log
    # Else nothing was logged that might have quoted it.
    assert log.count(" is rejected: ") >= 10 and "Traceback (most recent call last)" in log
    if log_format == "json":
        read_json(log)


def execute(engine: Engine, statement: str) -> None:
    with engine.begin() as connection:
        connection.execute(text(statement))


def nothing_waits(keys: redis.Redis) -> bool:
    return not keys.llen(KEY_PREFIX + SCORE_QUEUE) and not keys.hlen(KEY_PREFIX + "unacked")


def server_logs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return list(tmp_path_factory.getbasetemp().glob("*/server.log"))


def read_json(log: str) -> None:
    """Every line that Celery, a library or we logged is an object, with ids where there are any."""
    lines = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    finished = [line for line in lines if line.get("scored")]
    assert {"message_id", "task_id", "chunk_ms", "score_ms", "queue_ms", "tokens"} <= (
        finished[0].keys()
    )
    failed = [line for line in lines if line.get("job_id")]
    assert {line["kind"] for line in failed} == {"model", "memory"}
    for line in lines:
        assert {"time", "level", "logger", "message", "process", "pid"} <= line.keys()
