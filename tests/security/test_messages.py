"""A producer that pushes what it likes to the lists of texts, as the user `producer` of Redis.

It may bring texts and labels, and lose its own messages by writing them badly: each of those ends
in a row that says why, without the text. It may not run another task, make a worker hold or unpack
what it sends, write to a key of Redis, end a worker, or keep a message going round.
"""

from __future__ import annotations

import base64
import bz2
import gzip
import json
import uuid
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
import redis

from plumbline.embedded.redis import redis_server
from plumbline.queues import (
    ALERTS_TASK,
    BULK_QUEUE,
    DRIFT_TASK,
    KEY_PREFIX,
    LABEL_TASK,
    QUALITY_TASK,
    SCORE_QUEUE,
    SCORE_TASK,
    SWEEP_TASK,
)
from plumbline.redis_users import PRODUCER
from plumbline_client.broker import Publisher
from plumbline_client.queues import bell, lane
from storage.database import open_engine
from storage.jobs.outbox import take_due_jobs
from tests.celery_producer import envelope
from tests.hasty import DEADLY_SOURCE
from tests.servers import TESTER, database
from tests.waiting import eventually
from tests.workers import Worker, start_worker
from worker.broker.gate import MOST_FAILURES
from worker.sweeper import publish, wake_ups_for

SECRET = "Nobody may read this in a row"
MIB = 1024 * 1024
MAX_MESSAGE_MB = 160
EMBED: dict[str, Any] = dict.fromkeys(["callbacks", "errbacks", "chain", "chord"])
# A bomb unpacks to this size, far more than the parent may grow by.
UNPACKED_MB = 400
MAY_GROW_MB = 100
DELAYED = 400
LARGE_TEXTS, LARGE_CHARS = 120, 200_000
FOREIGN_CALL: dict[str, Any] = {
    "task": SWEEP_TASK,
    "args": [],
    "kwargs": {},
    "options": {"queue": "stolen", "task_id": "foreign", "reply_to": "stolen"},
    "subtask_type": None,
    "immutable": True,
}


def arguments(*texts: str, source: str = "eve") -> dict[str, Any]:
    return {"version": 1, "source": source, "jobs": [{"text": text} for text in texts or [SECRET]]}


def body(content: Any = None, embed: Any = EMBED) -> bytes:
    return json.dumps([[], arguments() if content is None else content, embed]).encode()


@dataclass(frozen=True, slots=True)
class Producer:
    """What the producer pushes with, and what the tester looks with."""

    pushes: redis.Redis
    keys: redis.Redis
    worker: Worker
    database_url: str
    broker_url: str
    known_keys: set[bytes]

    def push(self, *messages: Any, list_name: str = SCORE_QUEUE) -> None:
        raw = [m if isinstance(m, bytes) else json.dumps(m).encode() for m in messages]
        for first in range(0, len(raw), 500):
            self.pushes.lpush(KEY_PREFIX + list_name, *raw[first : first + 500])

    def rows(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.database_url) as connection:
            return connection.execute(statement, values).fetchall()

    def reasons(self, ids: Sequence[str], timeout_s: float = 60.0) -> dict[str, str]:
        """Wait until each of these messages ends in a row; return the reasons."""
        statement = "SELECT message_id, reason FROM plumbline.rejected_messages"

        def all_reasons() -> dict[str, str]:
            known = dict(self.rows(f"{statement} WHERE message_id = ANY(%s)", list(ids)))
            return known if len(known) == len(set(ids)) else {}

        return eventually(all_reasons, timeout_s, "not every message has a row that says why not")

    def states(self, source: str) -> dict[str, int]:
        statement = "SELECT state, count(*) FROM plumbline.jobs WHERE source = %s GROUP BY state"
        return dict(self.rows(statement, source))

    def scored(self, source: str, texts: int) -> None:
        """Wait until a source has exactly so many scored texts, and no others."""
        eventually(
            lambda: self.states(source) == {"scored": texts},
            200.0,
            f"not all {texts} texts of {source} are scored",
        )

    def peak_mb(self) -> int:
        """Return the most memory that the parent ever had."""
        status = Path(f"/proc/{self.worker.process.pid}/status").read_text(encoding="ascii")
        (line,) = (line for line in status.splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) // 1024


@pytest.fixture(scope="module")
def producer(
    postgres_server_url: str, template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Producer]:
    with (
        database(postgres_server_url, template) as url,
        redis_server(tmp_path_factory.mktemp("redis") / "redis", [TESTER]) as server,
        redis.Redis.from_url(server.urls[PRODUCER], socket_timeout=60) as pushes,
        redis.Redis.from_url(server.urls[TESTER.name], socket_timeout=60) as keys,
        start_worker(
            url,
            server.url,
            tmp_path_factory.mktemp("worker"),
            concurrency=1,
            app="tests.hasty_app",
            settings={"max_message_mb": MAX_MESSAGE_MB},
        ) as worker,
    ):
        neighbour = Producer(pushes, keys, worker, url, server.url, set())
        neighbour.push(envelope(str(uuid.uuid4()), body(arguments("warm", source="first"))))
        neighbour.scored("first", 1)
        known = set(keys.keys("*")) | {
            (KEY_PREFIX + name).encode()
            for name in ("unacked", "unacked_index", bell(SCORE_QUEUE), bell(BULK_QUEUE))
        }
        yield Producer(pushes, keys, worker, url, server.url, known)


@pytest.fixture(autouse=True)
def _worker_is_healthy(producer: Producer) -> Iterator[None]:
    """After each attempt the worker scores a text, and Redis has no key that it had not before."""
    yield
    source = f"healthy-{uuid.uuid4()}"
    producer.push(envelope(str(uuid.uuid4()), body(arguments("See you at six", source=source))))
    producer.scored(source, 1)
    assert producer.worker.process.poll() is None
    eventually(
        lambda: set(producer.keys.keys("*")) <= producer.known_keys,
        60.0,
        "Redis has a key that no part of Plumbline writes",
    )
    rows = producer.rows("SELECT to_json(r) FROM plumbline.rejected_messages AS r")
    assert SECRET not in json.dumps(rows) + producer.worker.log()


def rejected(producer: Producer, members: dict[str, dict[str, Any]], reason: str) -> None:
    """Push the members of a kind; expect each in a row whose reason begins with `reason`."""
    ids = {name: str(uuid.uuid4()) for name in members}
    messages = [member | {} for member in members.values()]
    for message, message_id in zip(messages, ids.values(), strict=True):
        message["headers"] = message["headers"] | {"id": message_id}
    producer.push(*messages)
    reasons = producer.reasons(list(ids.values()))
    wrong = {name: reasons[i] for name, i in ids.items() if not reasons[i].startswith(reason)}
    assert wrong == {}


def test_a_message_runs_no_other_task(producer: Producer) -> None:
    """Neither Celery's own tasks, nor reports and sweeps, which belong to other queues."""
    built_in = (
        *("accumulate", "backend_cleanup", "chain", "chord", "chord_unlock", "chunks", "group"),
        *("map", "starmap"),
    )
    unknown = [f"celery.{name}" for name in built_in] + ["os.system", "", "plumbline.score "]
    members = {name: envelope("x", body(), task=name) for name in unknown}
    rejected(producer, members, "there is no task with that name")
    foreign = (DRIFT_TASK, QUALITY_TASK, ALERTS_TASK, SWEEP_TASK)
    members = {name: envelope("x", body({}), task=name) for name in foreign}
    rejected(producer, members, "the task plumbline.")
    shapes: list[Any] = [None, 7, [SCORE_TASK], {}]
    members = {str(task): envelope("x", body(), task=task) for task in shapes}
    rejected(producer, members, "it is not a Celery message of protocol 2")
    assert producer.states("eve") == {}


def test_a_message_calls_nothing(producer: Producer) -> None:
    """Not in its body, and not in its headers, where earlier protocols had it."""
    several = [FOREIGN_CALL]
    calls = {"callbacks": several, "errbacks": several, "chain": several, "chord": FOREIGN_CALL}
    for name, call in calls.items():
        header: dict[str, Any] = {name: call}
        members = {
            "body": envelope("x", body(embed=EMBED | {name: call})),
            "header": envelope("x", body(), **header),
        }
        rejected(producer, members, f"{name}: a message may not call other tasks")
    members = {"group": envelope("x", body(embed=EMBED | {"group": [FOREIGN_CALL]}))}
    rejected(producer, members, "embed: a message may not call other tasks")
    assert producer.states("eve") == {}


def test_a_bomb_is_not_unpacked(producer: Producer) -> None:
    """Compression is refused unread, and JSON of many parts before it is parsed."""
    zeros = bytes(UNPACKED_MB * MIB)
    bombs = {
        "application/x-gzip": zlib.compress(zeros),
        "gzip": gzip.compress(zeros, 1),
        "application/x-bz2": bz2.compress(zeros[: 32 * MIB]),
        **dict.fromkeys(["lzma", "application/zstd", "brotli", "none", "x"], b"packed"),
    }
    members = {name: envelope("x", bomb, compression=name) for name, bomb in bombs.items()}
    members["twice"] = envelope("x", b"x", compression=["gzip", "gzip"])
    rejected(producer, members, "compression: compressed messages are not accepted")
    nested = b"[" * 4_000_000
    million = json.dumps(dict.fromkeys(map(str, range(1_000_000)), 0)).encode()
    documents = {
        "open": nested,
        "closed": nested + b"]" * len(nested),
        "objects": b'{"a":' * 1_000_000 + b"1" + b"}" * 1_000_000,
        "keys": b"[[]," + million + b",{}]",
        "numbers": b"[[]," + b"[" + b"0," * 5_000_000 + b"0],{}]",
        "shallow": b"[" * 100_000 + b"]" * 100_000,
        "integer": b"[[],{},{" + b'"a":' + b"9" * 300_000 + b"}]",
        "type": b'[[],{"__type__": "datetime", "__value__": "x"},{}]',
    }
    members = {name: envelope("x", document) for name, document in documents.items()}
    rejected(producer, members, "body: it ")
    assert producer.peak_mb() < UNPACKED_MB, "the parent unpacked a bomb"


def test_an_envelope_is_parsed_only_if_it_is_small(producer: Producer) -> None:
    """What the parent itself would parse has at most as many parts as any Celery message."""
    before = producer.peak_mb()
    bombs: dict[str, dict[str, Any]] = {
        "headers": {"x": dict.fromkeys(map(str, range(1_000_000)), 0)},
        "deep": {"x": "DEEP"},
        "numbers": {"x": [0] * 2_000_000},
    }
    sent = [json.dumps(envelope("bomb", body(), **extra)).encode() for extra in bombs.values()]
    sent = [message.replace(b'"DEEP"', b"[" * 50_000 + b"]" * 50_000) for message in sent]
    producer.push(*sent, b'{"headers": ' + b"9" * 60_000 + b"}")
    statement = (
        "SELECT count(*) FROM plumbline.rejected_messages WHERE reason LIKE 'it%%envelope%%'"
    )
    eventually(lambda: producer.rows(statement) >= [(len(bombs) - 1,)], 60.0)
    assert producer.peak_mb() < before + MAY_GROW_MB


def test_a_message_above_the_limit_does_not_reach_the_worker(producer: Producer) -> None:
    """Only its end does, with its id; a worker that was idle is woken with all of it."""
    before, message_id = producer.peak_mb(), str(uuid.uuid4())
    filled = envelope(message_id, b"") | {"body": "A" * (MAX_MESSAGE_MB * MIB)}
    producer.push(filled)
    (reason,) = producer.reasons([message_id]).values()
    assert "at most 167,772,160 are accepted" in reason and "PLUMBLINE_MAX_MESSAGE_MB" in reason
    size = "SELECT bytes FROM plumbline.rejected_messages WHERE message_id = %s"
    assert producer.rows(size, message_id)[0][0] > MAX_MESSAGE_MB * MIB
    assert producer.peak_mb() < before + MAY_GROW_MB + 2 * MAX_MESSAGE_MB


def test_a_message_that_is_not_plain_json_is_rejected(producer: Producer) -> None:
    """Celery would unpickle some of these, or fail where nothing catches the error."""
    plain = envelope("x", body())
    for kind in ("application/x-python-serialize", "application/x-yaml", "text/plain", 7, None):
        rejected(producer, {str(kind): plain | {"content-type": kind}}, "content-type: only")
    for charset in ("utf-16", "binary", "rot13", 7):
        changed = plain | {"content-encoding": charset}
        rejected(producer, {str(charset): changed}, "content-encoding: only")
    for encoding in ("hex", "zlib", 7, ["base64"]):
        properties = plain["properties"] | {"body_encoding": encoding}
        rejected(producer, {str(encoding): plain | {"properties": properties}}, "body_encoding")
    shapes = {"list": [], "number": 7, "null": None, "object": {}}
    members = {name: plain | {"body": shape} for name, shape in shapes.items()}
    members |= {"base64": plain | {"body": "no base64!"}, "empty": plain | {"body": ""}}
    members |= {name: envelope("x", json.dumps(shape).encode()) for name, shape in shapes.items()}
    rejected(producer, members, "body: it is not")


def test_an_id_has_1_to_200_printable_characters(producer: Producer) -> None:
    """An id that cannot be shown is left out of the row, which is counted by its reason."""
    ids: list[Any] = [
        "",
        "i" * 201,
        "a b",
        "a\nb",
        "\x1b[2J",
        "\u202eabc",
        "\x9b2J",
        None,
        7,
        ["a"],
        {},
    ]
    producer.push(
        *(envelope("x", body()) | {"headers": {"task": SCORE_TASK, "id": i}} for i in ids)
    )
    statement = (
        "SELECT message_id, task, queue FROM plumbline.rejected_messages WHERE reason LIKE 'id: %%'"
    )
    expected = [(None, SCORE_TASK, SCORE_QUEUE)] * len(ids)
    eventually(lambda: producer.rows(statement) == expected, 60.0, "not every id is refused")
    longest = "i" * 200
    producer.push(envelope(longest, body(arguments("one", source="longest"))))
    producer.scored("longest", 1)


def test_what_a_producer_writes_beside_its_text_changes_nothing(producer: Producer) -> None:
    """The gate writes the headers and properties that Celery obeys; the text is scored, once."""
    headers: dict[str, Any] = {
        "reply_to": "stolen",
        "ignore_result": False,
        "timelimit": [0.001, 0.001],
        "soft_time_limit": 0.001,
        "origin": "gen1@x",
        "shadow": "celery.backend_cleanup",
        "retries": 10**9,
        "group": "g",
        "group_index": 0,
        "parent_id": 7,
        "root_id": {"a": 1},
        "argsrepr": "\x1b[2J",
        "kwargsrepr": ["x"],
        "stamped_headers": ["stolen"],
        "stamps": {"stolen": ["x"]},
        "replaced_task_nesting": 10**6,
        "delivery_info": {"exchange": "stolen", "routing_key": "stolen"},
        "redelivered": True,
        "plumbline_list": "plumbline.score@billing",
        "plumbline_failures": 10**6,
        "plumbline_expires": "2001-01-01T00:00:00",
        "plumbline_not_before": "2999-01-01T00:00:00",
        "plumbline_body": "x",
        "plumbline_every": "x",
        "lang": "lua",
        "x" * 10_000: "y",
    }
    properties: dict[str, Any] = {
        "reply_to": "stolen",
        "correlation_id": ["stolen"],
        "delivery_info": {"exchange": "stolen", "routing_key": "stolen", "priority": 9},
        "priority": 9,
        "delivery_mode": "x",
        "delivery_tag": "../unacked",
        "redelivered": True,
        "expiration": "1",
    }
    members = [envelope(str(uuid.uuid4()), b"x", **{name: v}) for name, v in headers.items()]
    for name, value in properties.items():
        message = envelope(str(uuid.uuid4()), b"x")
        members.append(message | {"properties": message["properties"] | {name: value}})
    members.append(envelope(str(uuid.uuid4()), b"x", **headers))
    for number, message in enumerate(members):
        text = body(arguments(f"text {number}", source="headers"))
        message["body"] = base64.b64encode(text).decode()
    producer.push(*members[::2])
    producer.push(*members[1::2], list_name=lane(BULK_QUEUE, 3))
    producer.scored("headers", len(members))


def test_a_time_is_a_time(producer: Producer) -> None:
    times: list[Any] = ["soon", "9999-99-99", 7, 1e400, ["2030-01-01"], {"at": 1}, True]
    times += ["0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "\x1b[2J"]
    for header in ("eta", "expires"):
        members = {str(time): envelope("x", body(), **{header: time}) for time in times}
        rejected(producer, members, f"{header}: it is not an ISO 8601 time")
    assert producer.states("eve") == {}


def test_a_delayed_text_waits_in_its_row(producer: Producer) -> None:
    """However many there are: a worker holds none, and each is scored once it is due."""
    before = producer.peak_mb()
    eta = (datetime.now(UTC) + timedelta(days=300)).isoformat()
    producer.push(
        *(
            envelope(str(uuid.uuid4()), body(arguments(f"later {n}", source="delayed")), eta=eta)
            for n in range(DELAYED)
        )
    )
    eventually(
        lambda: producer.states("delayed") == {"queued": DELAYED}, 120.0, "not all texts wait"
    )
    assert producer.peak_mb() < before + MAY_GROW_MB
    assert producer.keys.llen(KEY_PREFIX + SCORE_QUEUE) == 0
    times = "SELECT DISTINCT not_before FROM plumbline.jobs WHERE source = 'delayed'"
    assert producer.rows(times) == [(datetime.fromisoformat(eta),)]
    assert relay(producer) == 0
    with psycopg.connect(producer.database_url, autocommit=True) as connection:
        connection.execute(
            "UPDATE plumbline.jobs SET not_before = now() WHERE source = 'delayed' "
            "AND text IN ('later 0', 'later 1')"
        )
    assert relay(producer) == 2
    waiting = {"queued": DELAYED - 2, "scored": 2}
    eventually(lambda: producer.states("delayed") == waiting, 60.0, "the due texts are not scored")


def relay(producer: Producer) -> int:
    """Stand in for beat's relay; return the number of messages that it published."""
    with (
        open_engine(producer.database_url) as engine,
        Publisher(producer.broker_url) as publisher,
        engine.begin() as connection,
    ):
        due = take_due_jobs(connection, max_attempts=3, limit=10_000)
        messages = wake_ups_for(due, 1)
        assert publish(publisher, messages) == []
        return len(messages)


def test_a_message_that_ends_its_process_does_so_a_bounded_number_of_times(
    producer: Producer,
) -> None:
    """It dies before its texts are in the ledger, so that only the message can be counted."""
    message_id = str(uuid.uuid4())
    producer.push(envelope(message_id, body(arguments(source=DEADLY_SOURCE))))
    (reason,) = producer.reasons([message_id], 200.0).values()
    assert reason == (
        f"it was tried {MOST_FAILURES} times, and each time its process ended or failed"
    )
    assert producer.states(DEADLY_SOURCE) == {}


def test_a_message_of_the_largest_texts_is_scored_in_slices(producer: Producer) -> None:
    """It is inside of the schema, and more than PostgreSQL accepts in one statement."""
    texts = [f"{n} ".ljust(LARGE_CHARS, "x") for n in range(LARGE_TEXTS)]
    producer.push(envelope(str(uuid.uuid4()), body(arguments(*texts, source="large"))))
    producer.scored("large", LARGE_TEXTS)


def test_a_text_that_postgresql_refuses_ends_alone(producer: Producer) -> None:
    """Labels and texts that no schema admits have a row, and delay nothing."""
    members = {
        "version": {"version": 2, "jobs": [{"text": SECRET}]},
        "no jobs": {"version": 1, "jobs": []},
        "many jobs": {"version": 1, "jobs": [{"text": SECRET}] * 1_001},
        "not a text": {"version": 1, "jobs": [{"text": [SECRET]}]},
        "extra": {"version": 1, "jobs": [{"text": SECRET}], SECRET: 1},
        "source": arguments(source="s" * 100_000),
        "key": {"version": 1, "jobs": [{"text": SECRET, "key": "k" * 100_000}]},
    }
    rejected(producer, {name: envelope("x", body(m)) for name, m in members.items()}, "")
    labels = {
        "no labels": {"version": 1, "labels": []},
        "a text": {"version": 1, "labels": [{"text": SECRET, "label": "1"}]},
        "a list": {"version": 1, "labels": [[]]},
    }
    messages = {name: envelope("x", body(m), task=LABEL_TASK) for name, m in labels.items()}
    rejected(producer, messages, "")
    assert producer.states("eve") == {}
