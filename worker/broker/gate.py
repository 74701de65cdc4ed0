"""The gate: what a worker accepts from a list in Redis, decided before a body is decoded.

Whoever may push to a list writes headers and properties as well, and Celery obeys many of them:
they decompress bodies, call other tasks, name other queues, hold a message in memory or switch off
its acknowledgement. So the gate reads what a message may contain, and writes the rest itself. The
body stays as it is until a child reads it (`worker.broker.body`).
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from plumbline.messages import MessageRejected
from plumbline.queues import (
    ALERTS_TASK,
    DRIFT_TASK,
    LABEL_TASK,
    PURGE_TASK,
    QUALITY_TASK,
    REPORT_QUEUE,
    SCORE_TASK,
    SWEEP_TASK,
    UPKEEP_QUEUE,
)
from plumbline_client.message import ALONE_HEADER
from worker.broker.body import EMBEDDED, Body
from worker.broker.json_parts import has_more_parts
from worker.broker.message_times import EXPIRES_HEADER, NOT_BEFORE_HEADER, header_time
from worker.broker.rejection import is_printable
from worker.broker.unacknowledged import FAILED, Taken
from worker.periodic import EVERY_HEADER

# Producers send these, to any queue of texts.
TASKS_OF_PRODUCERS = frozenset({SCORE_TASK, LABEL_TASK})
# A process that scores imports no reports, and a report delays no sweep.
TASKS = {
    UPKEEP_QUEUE: frozenset({SWEEP_TASK, LABEL_TASK}),
    REPORT_QUEUE: frozenset({DRIFT_TASK, QUALITY_TASK, ALERTS_TASK, PURGE_TASK}),
}
KNOWN_TASKS = TASKS_OF_PRODUCERS.union(*TASKS.values())
# Trustworthy: the gate replaces what a producer wrote there.
LIST_HEADER = "plumbline_list"
FAILURES_HEADER = "plumbline_failures"
# Attempts after which a message ends, if each ended its process or failed for no other reason than
# the message.
MOST_FAILURES = 8
# Strings and bytes outside of strings in an envelope. Headers that nobody reads may be among them.
MOST_PARTS = 65_536
UTF_8 = frozenset({"utf-8", "utf8", "us-ascii", "ascii", None})
BLANKS = b" \n"
NAMES = re.compile(rb'"(id|task)"\s*:\s*"([^"\\]{1,200})"')


@dataclass(frozen=True, slots=True)
class Admitted:
    """A message that passed the gate: what kombu and Celery see of it, and its body."""

    headers: dict[str, Any]
    properties: dict[str, Any]
    body: Body


@dataclass(frozen=True, slots=True)
class Names:
    """The id and the task of a message, as far as they can be read and shown."""

    message_id: str | None = None
    task: str | None = None

    @classmethod
    def of(cls, admitted: Admitted) -> Names:
        return cls(admitted.headers["id"], admitted.headers["task"])


def admit(taken: Taken, queue: str, list_name: str, max_bytes: int) -> Admitted:
    """Return the message if a worker may process it. Raises MessageRejected.

    `list_name` is the list that the message came in, without its priority.
    """
    envelope = read_envelope(taken, max_bytes)
    headers, properties = _part(envelope, "headers"), _part(envelope, "properties")
    check_task(headers.get("task"), queue)
    if not is_printable(headers.get("id")):
        raise MessageRejected("id: the message needs an id of 1 to 200 printable characters")
    body = read_body(envelope, headers, properties)
    put_backs = blanks(taken.message)
    failures = put_backs.count(FAILED.encode())
    if failures >= MOST_FAILURES:
        raise MessageRejected(
            f"it was tried {failures} times, and each time its process ended or failed"
        )
    return Admitted(
        own_headers(headers, list_name, retries=len(put_backs), failures=failures),
        own_properties(headers["id"], queue, taken.tag),
        body,
    )


def blanks(message: bytes) -> bytes:
    """Return the blanks in front of a message, one for each time it was put back."""
    return message[: len(message) - len(message.lstrip(BLANKS))]


def read_envelope(taken: Taken, max_bytes: int) -> dict[str, Any]:
    """Parse the envelope, whose body is one string of it. Raises MessageRejected."""
    if taken.size > max_bytes:
        raise MessageRejected(
            f"it has {taken.size:,} bytes, and at most {max_bytes:,} are accepted; send its texts "
            "in several messages, or raise PLUMBLINE_MAX_MESSAGE_MB and PLUMBLINE_CHILD_MEMORY_MB"
        )
    if has_more_parts(taken.message, MOST_PARTS):
        raise MessageRejected("its envelope has more parts than any Celery message")
    try:
        envelope = json.loads(taken.message.decode())
    except (ValueError, RecursionError) as error:
        # UnicodeDecodeError and JSONDecodeError are ValueErrors.
        raise MessageRejected("it is not JSON in UTF-8") from error
    if not isinstance(envelope, dict):
        raise MessageRejected("it is not a Celery message")
    return envelope


def check_task(task: object, queue: str) -> None:
    if not isinstance(task, str):
        raise MessageRejected("it is not a Celery message of protocol 2, whose headers name a task")
    if task not in KNOWN_TASKS:
        raise MessageRejected("there is no task with that name")
    if task not in TASKS.get(queue, TASKS_OF_PRODUCERS):
        raise MessageRejected(f"the task {task} does not belong to the queue {queue}")


def read_body(
    envelope: dict[str, Any], headers: dict[str, Any], properties: dict[str, Any]
) -> Body:
    """Return the body, still encoded. Raises MessageRejected for a form other than plain JSON."""
    if headers.get("compression"):
        raise MessageRejected("compression: compressed messages are not accepted")
    for name in EMBEDDED:
        if headers.get(name):
            raise MessageRejected(f"{name}: a message may not call other tasks")
    if envelope.get("content-type") != "application/json":
        raise MessageRejected("content-type: only application/json is accepted")
    charset = envelope.get("content-encoding")
    if not isinstance(charset, str | None) or (charset and charset.lower()) not in UTF_8:
        raise MessageRejected("content-encoding: only utf-8 is accepted")
    encoding = properties.get("body_encoding")
    if encoding not in ("base64", "utf-8", None):
        raise MessageRejected("body_encoding: only base64 and utf-8 are accepted")
    content = envelope.get("body")
    if not isinstance(content, str):
        raise MessageRejected("body: it is not a string")
    return Body(content, is_base64=encoding == "base64")


def own_headers(
    headers: dict[str, Any], list_name: str, *, retries: int, failures: int
) -> dict[str, Any]:
    """Return the headers that Celery and the tasks see. Raises MessageRejected."""
    own = {
        "lang": "py",
        "task": headers["task"],
        "id": headers["id"],
        "root_id": headers["id"],
        "retries": retries,
        # Celery would describe the arguments by their content.
        "argsrepr": "()",
        "kwargsrepr": "{}",
        LIST_HEADER: list_name,
        FAILURES_HEADER: failures,
    }
    times = {EXPIRES_HEADER: headers.get("expires"), NOT_BEFORE_HEADER: headers.get("eta")}
    for name, value in times.items():
        if value is not None:
            own[name] = header_time("expires" if name == EXPIRES_HEADER else "eta", value)
    if headers.get(ALONE_HEADER):
        own[ALONE_HEADER] = True
    if isinstance(headers.get(EVERY_HEADER), int | float):
        own[EVERY_HEADER] = headers[EVERY_HEADER]
    return own


def own_properties(message_id: str, queue: str, tag: str) -> dict[str, Any]:
    return {
        "correlation_id": message_id,
        "delivery_mode": 2,
        "delivery_info": {"exchange": "", "routing_key": queue},
        "priority": 0,
        "delivery_tag": tag,
    }


def names(message: bytes) -> Names:
    """Return what names a message that did not pass, whatever it consists of."""
    try:
        envelope = json.loads(message.decode()) if len(message) <= MOST_PARTS else None
    except (ValueError, RecursionError):
        envelope = None
    if envelope is None:
        # The end of a message that is too large. In a whole one, only the headers name it.
        pairs = NAMES.findall(message)
        read = {name.decode(): value.decode(errors="replace") for name, value in pairs}
    else:
        headers = envelope.get("headers") if isinstance(envelope, dict) else None
        read = headers if isinstance(headers, dict) else {}
    message_id, task = read.get("id"), read.get("task")
    return Names(
        message_id if is_printable(message_id) else None,
        task if isinstance(task, str) and task in KNOWN_TASKS else None,
    )


def _part(envelope: dict[str, Any], name: str) -> dict[str, Any]:
    part = envelope.get(name)
    if not isinstance(part, dict):
        raise MessageRejected(f"{name}: it is not an object, as in a Celery message")
    return part
