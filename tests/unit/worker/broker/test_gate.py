from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from plumbline.messages import MessageRejected
from plumbline.queues import (
    BULK_QUEUE,
    DRIFT_TASK,
    LABEL_TASK,
    REPORT_QUEUE,
    SCORE_QUEUE,
    SCORE_TASK,
    SWEEP_TASK,
    UPKEEP_QUEUE,
)
from plumbline_client.message import celery_message
from tests.celery_producer import envelope
from worker.broker import gate
from worker.broker.gate import MOST_FAILURES, Admitted, Names
from worker.broker.message_times import EXPIRES_HEADER, NOT_BEFORE_HEADER
from worker.broker.unacknowledged import FAILED, UNSERVED, Taken

LIST = "plumbline.score#3"
BODY = b'[[], {"version": 1}, {}]'
MAX_BYTES = 1_000_000


def taken(message: Any, blanks: str = "") -> Taken:
    raw = message if isinstance(message, bytes) else json.dumps(message).encode()
    raw = blanks.encode() + raw
    return Taken("token@" + LIST, LIST, raw, len(raw))


def admit(message: Any, queue: str = SCORE_QUEUE, blanks: str = "") -> Admitted:
    return gate.admit(taken(message, blanks), queue, LIST, MAX_BYTES)


def reason(message: Any, queue: str = SCORE_QUEUE, blanks: str = "") -> str:
    with pytest.raises(MessageRejected) as rejected:
        admit(message, queue, blanks)
    return str(rejected.value)


def test_the_client_s_message_passes_and_its_body_stays_encoded() -> None:
    message = celery_message(SCORE_TASK, {"version": 1}, SCORE_QUEUE, "m")
    admitted = admit(message.encode())
    assert admitted.body.is_base64 and admitted.body.content == json.loads(message)["body"]
    assert admitted.headers["id"] == "m" and admitted.headers[gate.LIST_HEADER] == LIST


def test_headers_and_properties_are_the_gate_s_own() -> None:
    foreign: dict[str, Any] = {
        "timelimit": [1, 1],
        "reply_to": "x",
        "ignore_result": False,
        "root_id": "r",
        "retries": 99,
        "argsrepr": "secret",
        gate.LIST_HEADER: "plumbline.score@billing",
        gate.FAILURES_HEADER: 99,
        NOT_BEFORE_HEADER: "2999-01-01",
    }
    message = envelope("m", BODY, **foreign)
    message["properties"] |= {"reply_to": "x", "priority": 9, "delivery_tag": "x"}
    message["properties"]["delivery_info"] = {"exchange": "x", "routing_key": "x"}
    admitted = admit(message)
    assert admitted.headers == {
        "lang": "py",
        "task": SCORE_TASK,
        "id": "m",
        "root_id": "m",
        "retries": 0,
        "argsrepr": "()",
        "kwargsrepr": "{}",
        gate.LIST_HEADER: LIST,
        gate.FAILURES_HEADER: 0,
    }
    assert admitted.properties == {
        "correlation_id": "m",
        "delivery_mode": 2,
        "delivery_info": {"exchange": "", "routing_key": SCORE_QUEUE},
        "priority": 0,
        "delivery_tag": "token@" + LIST,
    }


@pytest.mark.parametrize(
    ("queue", "task", "passes"),
    [
        (SCORE_QUEUE, SCORE_TASK, True),
        (BULK_QUEUE, LABEL_TASK, True),
        (UPKEEP_QUEUE, LABEL_TASK, True),
        (UPKEEP_QUEUE, SWEEP_TASK, True),
        (REPORT_QUEUE, DRIFT_TASK, True),
        (SCORE_QUEUE, SWEEP_TASK, False),
        (BULK_QUEUE, DRIFT_TASK, False),
        (UPKEEP_QUEUE, SCORE_TASK, False),
        (UPKEEP_QUEUE, DRIFT_TASK, False),
        (REPORT_QUEUE, SCORE_TASK, False),
        (SCORE_QUEUE, "celery.backend_cleanup", False),
        (UPKEEP_QUEUE, "celery.chord", False),
    ],
)
def test_a_task_belongs_to_queues(queue: str, task: str, passes: bool) -> None:
    message = envelope("m", BODY, task=task)
    if passes:
        assert admit(message, queue).headers["task"] == task
    else:
        assert "task" in reason(message, queue)


def test_times_have_names_that_celery_does_not_obey() -> None:
    headers = admit(envelope("m", BODY, eta="2030-01-01", expires="2031-01-01")).headers
    assert "eta" not in headers and "expires" not in headers
    assert headers[NOT_BEFORE_HEADER] == datetime(2030, 1, 1, tzinfo=UTC)
    assert headers[EXPIRES_HEADER] == datetime(2031, 1, 1, tzinfo=UTC)


def test_put_backs_are_counted_by_their_kind() -> None:
    headers = admit(envelope("m", BODY), blanks=(FAILED + UNSERVED) * 3).headers
    assert headers["retries"] == 6 and headers[gate.FAILURES_HEADER] == 3
    admit(envelope("m", BODY), blanks=UNSERVED * 60)
    assert "it was tried 8 times" in reason(envelope("m", BODY), blanks=FAILED * MOST_FAILURES)


@pytest.mark.parametrize(
    ("change", "begin"),
    [
        ({"headers": []}, "headers: "),
        ({"properties": None}, "properties: "),
        ({"body": 7}, "body: "),
        ({"content-type": "application/x-python-serialize"}, "content-type: "),
        ({"content-type": None}, "content-type: "),
        ({"content-encoding": "utf-16"}, "content-encoding: "),
        ({"content-encoding": 7}, "content-encoding: "),
    ],
)
def test_an_envelope_that_celery_does_not_write_is_rejected(
    change: dict[str, Any], begin: str
) -> None:
    assert reason(envelope("m", BODY) | change).startswith(begin)


@pytest.mark.parametrize("name", ["compression", "callbacks", "errbacks", "chain", "chord"])
def test_a_header_that_would_do_something_is_rejected(name: str) -> None:
    header: dict[str, Any] = {name: ["x"]}
    assert reason(envelope("m", BODY, **header)).startswith(f"{name}: ")


@pytest.mark.parametrize("message_id", ["", "i" * 201, "a b", "\x1b", "\u202e", None, 7, ["a"]])
def test_an_id_that_cannot_be_shown_is_rejected(message_id: Any) -> None:
    message = envelope("m", BODY)
    message["headers"]["id"] = message_id
    assert reason(message).startswith("id: ")


@pytest.mark.parametrize(
    "raw",
    [b"", b"x", b"\xff", b"[" * 60_000, b'{"a": ' + b"9" * 5_000 + b"}", b"[]", b"7", b"null"],
)
def test_bytes_that_are_not_a_message_are_rejected(raw: bytes) -> None:
    assert reason(raw) in {"it is not JSON in UTF-8", "it is not a Celery message"}


def test_an_envelope_of_many_parts_is_not_parsed() -> None:
    extra = dict.fromkeys(map(str, range(60_000)), 0)
    assert "more parts" in reason(envelope("m", BODY, x=extra))


def test_the_size_of_a_message_is_limited() -> None:
    """Only the end of a message that is too large was taken; it names the message."""
    message = json.dumps(envelope("m-1", b"x" * 10_000)).encode()
    end = Taken("t", LIST, message[-1_000:], len(message))
    with pytest.raises(MessageRejected, match="at most 1,000 are accepted"):
        gate.admit(end, SCORE_QUEUE, LIST, 1_000)
    assert gate.names(end.message) == Names("m-1", SCORE_TASK)


@pytest.mark.parametrize(
    ("message", "names"),
    [
        (b'{"headers": {"id": "a", "task": "os.system"}}', Names("a", None)),
        (b'{"headers": {"id": "\\u001b[2J", "task": 7}}', Names(None, None)),
        (b'{"headers": 7}', Names(None, None)),
        (b'{"headers": ["id"]}', Names(None, None)),
        (b'{"headers": [{"id": "a"}]}', Names(None, None)),
        (b"\xff\xfe", Names(None, None)),
        (b"[" * 60_000, Names(None, None)),
        (b'..."id": "b", "task": "plumbline.labels"', Names("b", None)),
    ],
)
def test_names_are_those_that_can_be_shown(message: bytes, names: Names) -> None:
    assert gate.names(message) == names
