from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from plumbline.messages import MAX_JOBS, MessageRejected
from worker.broker.body import MOST_PARTS, Body, read_arguments

ARGUMENTS = {"version": 1, "jobs": [{"text": "one"}]}
CALL = {"task": "plumbline.sweep", "args": [], "kwargs": {}}


def plain(content: Any) -> Body:
    return Body(json.dumps(content), is_base64=False)


@pytest.mark.parametrize("embedded", [None, {}, {"callbacks": None, "chain": []}, {"x": None}])
def test_the_keyword_arguments_are_returned(embedded: Any) -> None:
    content = json.dumps([[], ARGUMENTS, embedded])
    assert read_arguments(Body(content, is_base64=False)) == ARGUMENTS
    encoded = base64.b64encode(content.encode()).decode()
    assert read_arguments(Body(encoded, is_base64=True)) == ARGUMENTS


def test_a_message_of_the_most_jobs_is_read_however_it_is_indented() -> None:
    jobs = [
        {"id": "x" * 36, "text": None, "key": "k", "deadline": "2026-05-01T12:00:00Z"}
        for _ in range(MAX_JOBS)
    ]
    content = json.dumps([[], {"version": 1, "source": "s", "jobs": jobs}, {}], indent=8)
    assert len(read_arguments(Body(content, is_base64=False))["jobs"]) == MAX_JOBS


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "body: it is not a list"),
        ([], "body: it is not a list"),
        ([[], {}], "body: it is not a list"),
        ([{}, {}, {}], "args: the positional arguments are not a list"),
        ([[1], {}, {}], "args: the task takes keyword arguments only"),
        ([[], [], {}], "kwargs: "),
        ([[], None, {}], "kwargs: "),
        ([[], {}, 7], "embed: "),
        ([[], {}, {"callbacks": [CALL]}], "callbacks: a message may not call other tasks"),
        ([[], {}, {"errbacks": [CALL]}], "errbacks: a message may not call other tasks"),
        ([[], {}, {"chain": [CALL]}], "chain: a message may not call other tasks"),
        ([[], {}, {"chord": CALL}], "chord: a message may not call other tasks"),
        ([[], {}, {"\x1b[2J": CALL}], "embed: a message may not call other tasks"),
    ],
)
def test_what_is_not_a_call_of_one_task_is_rejected(content: Any, reason: str) -> None:
    with pytest.raises(MessageRejected) as rejected:
        read_arguments(plain(content))
    assert str(rejected.value).startswith(reason)


@pytest.mark.parametrize(
    "body",
    [
        Body("no base64!", is_base64=True),
        Body("é", is_base64=True),
        Body("\ud800", is_base64=False),
        Body("", is_base64=False),
        Body("{", is_base64=False),
        Body("[[],{}," + "9" * 5_000 + "]", is_base64=False),
        Body("[" * 100_000 + "]" * 100_000, is_base64=False),
        Body('[[],{"__type__":"datetime","__value__":"x"},{}]', is_base64=False),
        Body('[[],{"__type__":"uuid","__value__":{"hex":[]}},{}]', is_base64=False),
    ],
)
def test_what_cannot_be_read_is_rejected(body: Body) -> None:
    with pytest.raises(MessageRejected, match=r"^body: "):
        read_arguments(body)


def test_a_document_of_many_parts_is_not_parsed() -> None:
    with pytest.raises(MessageRejected, match="more parts than 1,000 jobs"):
        read_arguments(Body("[" * (MOST_PARTS + 1), is_base64=False))
