"""Every message ends in rows or in a logged rejection with a reason, and no worker dies."""

from __future__ import annotations

import base64
import json
import pickle
import re
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
import redis
from sqlalchemy import Engine, text

from plumbline.messages import MAX_JOBS
from plumbline.queues import BULK_QUEUE, KEY_PREFIX, SCORE_QUEUE
from plumbline_client.errors import TextRefused
from plumbline_client.identity import message_job_id
from plumbline_client.new_job import new_job
from plumbline_client.queues import lanes
from scoring.artifact.artifact import Artifact
from scoring.runtime.fakes import ConstantRuntime
from scoring.scorer import Scorer
from tests.celery_producer import Envelope, envelope
from tests.paths import SHIPPED
from tests.waiting import eventually
from tests.workers import Worker, start_worker

SEED = 20_260_401
TEXTS = 2_000
ARGUMENTS = 400
ENVELOPES = 400
MAX_CHARS = 250
ALPHABETS = (
    "abcdefghij .,!?0123456789",
    "\0\x01\x07\x1b\x7f\x85\xa0\t\r\n",
    "\ud800\udbff\udc00\udfff",
    "áßçñøπжעبไ字かナ한",
    "🙂👩‍👩‍👧🇩🇪\u200b\u200d\u202e\ufeff\ufffe",
    "'\"\\%;--{}[]<>$",
    " \u2003\u3000\u2028",
)
REJECTED = re.compile(r"message (\S+) is rejected: (.+)")
REJECTED_WITHOUT_ID = re.compile(r"message without a valid id is rejected: .+")
Arguments = dict[str, Any]


def odd_text(random: Random) -> str:
    alphabet = "".join(random.sample(ALPHABETS, random.choice([1, 1, 2, len(ALPHABETS)])))
    length = random.choice([0, 1, 2, 10, 50, 200, MAX_CHARS, MAX_CHARS + 1])
    return "".join(random.choices(alphabet, k=length))


def odd_value(random: Random) -> Any:
    plain = [None, True, -1, 0, 1, 2**70, 1.5, "", "1", "x" * 1_000, "\0", "\ud800", "2030-01-01"]
    nested = [[], [[]], {}, {"text": "a"}, ["a"], [None], [1, 2], [{"id": "a"}], [{"text": 7}]]
    return random.choice([*plain, *nested])


def invalid_arguments(random: Random) -> Arguments:
    """Return the arguments of a message with one error that makes them invalid."""
    good: Arguments = {"version": 1, "source": "fuzz", "jobs": [{"text": "see you at six"}]}
    job = dict(good["jobs"][0])
    invalid: list[Callable[[], Arguments]] = [
        lambda: {},
        lambda: good | {"version": random.choice([0, 2, 99, -1, "1", 1.5, None, True, [1]])},
        lambda: {name: value for name, value in good.items() if name != random.choice(["jobs"])},
        lambda: good | {"surprise": odd_value(random)},
        lambda: good | {"source": random.choice(["", "a\0b", "\udc00", "x" * 201, 7, None, []])},
        lambda: good | {"jobs": random.choice([[], {}, None, "text", 7, [None], ["text"], [[]]])},
        lambda: good | {"jobs": [job] * (MAX_JOBS + random.randint(1, 500))},
        lambda: good | {"jobs": [job, job | {"surprise": odd_value(random)}]},
        lambda: good | {"jobs": [{"text": random.choice([7, None, [], {}, 1.5, True])}]},
        lambda: good | {"jobs": [job | {"id": str(uuid.uuid4())}]},
        lambda: good | {"jobs": [{"id": random.choice([7, "x", "", None, [], "0" * 31])}]},
        lambda: good | {"jobs": [{"id": str(uuid.uuid4()), "key": "k"}]},
        lambda: good | {"jobs": [job | {"key": random.choice(["", "x" * 501, 7, [], True])}]},
        lambda: (
            good | {"jobs": [job | {"deadline": random.choice(["soon", [], {}, "2030-01-01"])}]}
        ),
    ]
    return random.choice(invalid)()


def score_envelope(task_id: str, arguments: Any, queue: str = SCORE_QUEUE) -> Envelope:
    return envelope(task_id, json.dumps([[], arguments, {}]).encode(), queue)


def encoded(body: bytes) -> str:
    return base64.b64encode(body).decode()


class PickleBomb:
    """A pickle that creates the file `trace` if anybody loads it."""

    def __init__(self, trace: Path) -> None:
        self._trace = trace

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self._trace,)


def invalid_envelope(random: Random, task_id: str, trace: Path) -> bytes:
    """Return an envelope with one part replaced, or raw bytes, as a hostile producer might push."""
    arguments = {"version": 1, "source": "envelope", "jobs": [{"text": task_id}]}
    message = score_envelope(task_id, arguments)
    bomb = pickle.dumps(PickleBomb(trace))
    value = odd_value(random)
    where = random.choice(["top", "headers", "properties", "payload", "pickle", "raw"])
    if where == "raw":
        raw = [b"", b"\xff\x00", b"garbage", b"{", b"[]", b"null", b"7", b"{}", b"[" * 50_000, bomb]
        return random.choice(raw)
    if where == "pickle":
        message["body"] = encoded(bomb)
        message["content-type"] = random.choice(
            ["application/x-python-serialize", "application/json"]
        )
    elif where == "payload":
        part = random.choice([value, [value] * 3, [[], value, {}], [value, {}, {}], [[], {}]])
        message["body"] = encoded(json.dumps(part).encode())
    else:
        part = message if where == "top" else message[where]
        name = random.choice(sorted(part))
        if random.random() < 0.3:
            del part[name]
        else:
            # A worker would wait for an ETA in the future.
            part[name] = value if name != "eta" else "soon"
        if name == "id" and part.get("id") and isinstance(part["id"], str):
            # Two messages with the same id would be one message.
            part["id"] += task_id
    return json.dumps(message).encode()


@pytest.fixture
def running(
    database_url: str, broker_url: str, tmp_path: Path
) -> Iterator[tuple[Worker, redis.Redis]]:
    with (
        start_worker(
            database_url,
            broker_url,
            tmp_path,
            settings={"max_text_chars": MAX_CHARS, "drift_every_s": 86_400},
        ) as worker,
        redis.Redis.from_url(broker_url) as keys,
    ):
        yield worker, keys


def push(keys: redis.Redis, queue: str, *bodies: bytes) -> None:
    keys.lpush(KEY_PREFIX + queue, *bodies)


def no_message_is_left(keys: redis.Redis) -> bool:
    queues = (SCORE_QUEUE, BULK_QUEUE)
    names = [name for queue in queues for name in (queue, *lanes(queue))]
    queued = sum(keys.llen(KEY_PREFIX + name) for name in names)
    return not queued and not keys.hlen(KEY_PREFIX + "unacked")


def test_every_text_ends_in_a_row(running: tuple[Worker, redis.Redis], engine: Engine) -> None:
    worker, keys = running
    children = worker.children()
    random = Random(SEED)
    sent: dict[uuid.UUID, str] = {}
    while len(sent) < TEXTS:
        task_id = str(uuid.UUID(int=random.getrandbits(128)))
        texts = [odd_text(random) for _ in range(random.choice([1, 3, 40, 120]))]
        # JSON combines two surrogates that happen to form a pair into one character.
        arriving = json.loads(json.dumps(texts))
        sent |= {
            message_job_id(task_id, "texts", job_hash(value), position): value
            for position, value in enumerate(arriving)
        }
        jobs = [{"text": value} for value in texts]
        arguments = {"version": 1, "source": "texts", "jobs": jobs}
        queue = random.choice([SCORE_QUEUE, BULK_QUEUE])
        push(keys, queue, json.dumps(score_envelope(task_id, arguments, queue)).encode())
    eventually(lambda: no_message_is_left(keys), 200.0, "messages are left in Redis")
    with engine.connect() as connection:
        rows = connection.execute(text("SELECT id, state, error FROM plumbline.jobs")).all()
    assert {row.id for row in rows} == sent.keys()
    scorer = Scorer(Artifact.load(SHIPPED), ConstantRuntime(), MAX_CHARS)
    for row in rows:
        assert (row.state, row.error) == expected_end(scorer, sent[row.id]), repr(sent[row.id])
    assert Counter(row.state for row in rows)["rejected"] > 50
    assert worker.process.poll() is None and worker.children() == children


def expected_end(scorer: Scorer, value: str) -> tuple[str, str | None]:
    try:
        scorer.score(value)
    except TextRefused as refusal:
        return "rejected", str(refusal)
    return "scored", None


def test_invalid_arguments_are_rejected_with_a_reason(
    running: tuple[Worker, redis.Redis], engine: Engine
) -> None:
    worker, keys = running
    children = worker.children()
    random = Random(SEED)
    ids = []
    for _ in range(ARGUMENTS):
        ids.append(str(uuid.UUID(int=random.getrandbits(128))))
        queue = random.choice([SCORE_QUEUE, BULK_QUEUE])
        push(
            keys,
            queue,
            json.dumps(score_envelope(ids[-1], invalid_arguments(random), queue)).encode(),
        )
    eventually(lambda: no_message_is_left(keys), 60.0, "messages are left in Redis")
    log = worker.log()
    reasons = dict(REJECTED.findall(log))
    assert [task_id for task_id in ids if not reasons.get(task_id)] == []
    assert job_ids(engine) == set()
    assert worker.process.poll() is None and worker.children() == children


def test_invalid_envelopes_are_logged_and_no_worker_dies(
    running: tuple[Worker, redis.Redis], engine: Engine, tmp_path: Path
) -> None:
    worker, keys = running
    children = worker.children()
    random = Random(SEED)
    trace = tmp_path / "loaded"
    ids = [str(uuid.UUID(int=random.getrandbits(128))) for _ in range(ENVELOPES)]
    sent = [invalid_envelope(random, task_id, trace) for task_id in ids]
    for raw in sent:
        push(keys, random.choice([SCORE_QUEUE, BULK_QUEUE]), raw)
    eventually(lambda: no_message_is_left(keys), 60.0, "messages are left in Redis")
    log = worker.log()
    rows = job_ids(engine)
    rejections = Counter(task_id for task_id, _ in REJECTED.findall(log))
    expected_rejections: Counter[str] = Counter()
    without_id = 0
    for original, raw in zip(ids, sent, strict=True):
        task_id = id_in(raw)
        if isinstance(task_id, str) and envelope_job(task_id, original) in rows:
            continue
        if is_printable_id(task_id):
            expected_rejections[task_id] += 1
        else:
            without_id += 1
    assert 0 < len(rows) < len(sent)
    assert len(expected_rejections) > 100 and without_id > 50
    assert rejections == expected_rejections
    assert len(REJECTED_WITHOUT_ID.findall(log)) == without_id
    assert not trace.exists(), "a pickle was loaded"
    assert worker.process.poll() is None and worker.children() == children


def job_hash(value: str) -> bytes:
    return new_job(value, source="texts", max_chars=MAX_CHARS).text_sha256


def envelope_job(task_id: str, value: str) -> uuid.UUID:
    return message_job_id(task_id, "envelope", job_hash(value), 0)


def id_in(raw: bytes) -> Any:
    """Return the id in the headers of a message, if it can be parsed."""
    try:
        return json.loads(raw)["headers"]["id"]
    except (ValueError, LookupError, TypeError, RecursionError):
        return None


def is_printable_id(task_id: Any) -> bool:
    return isinstance(task_id, str) and 0 < len(task_id) <= 200 and task_id.isprintable()


def job_ids(engine: Engine) -> set[uuid.UUID]:
    with engine.connect() as connection:
        return set(connection.execute(text("SELECT id FROM plumbline.jobs")).scalars())
