from __future__ import annotations

import json
import uuid
from typing import Any, cast

import pytest
import redis

from plumbline.queues import BULK_QUEUE, LABEL_TASK, SCORE_QUEUE, SCORE_TASK
from plumbline_client.message import ALONE_HEADER, celery_message, wake_up
from worker.broker import gate
from worker.broker.body import read_arguments
from worker.broker.gate import Admitted
from worker.broker.merged_wake_ups import LEFT_PER_PROCESS, LONGEST_S, MOST, WakeUps, named_job
from worker.broker.unacknowledged import FAILED, Taken, Unacknowledged

JOBS = [uuid.UUID(int=number) for number in range(1, 40)]
MAX_BYTES = 1_000_000


def taken(arguments: dict[str, Any], blanks: str = "", left: int = 0, **options: Any) -> Taken:
    task, headers = options.get("task", SCORE_TASK), options.get("headers", {})
    message = (blanks + celery_message(task, arguments, SCORE_QUEUE, "m", headers)).encode()
    tag = options.get("tag", "t") + "@" + SCORE_QUEUE
    return Taken(tag, SCORE_QUEUE, message, len(message), left)


def admit(message: Taken) -> Admitted:
    return gate.admit(message, SCORE_QUEUE, SCORE_QUEUE, MAX_BYTES)


class List:
    """What follows in the list."""

    def __init__(self, *messages: Taken) -> None:
        self.messages = list(messages)
        self.returned: list[str] = []
        self.error: Exception | None = None

    def take_more(self, _: Taken, most: int) -> list[Taken]:
        if self.error:
            raise self.error
        following, self.messages = self.messages[:most], self.messages[most:]
        return following

    def return_to_queues(self, tags: list[str], *, read_next: bool) -> int:
        assert read_next
        self.returned += tags
        return len(tags)


def wake_ups(following: List, text_s: float | None = 0.001) -> WakeUps:
    """Return the wake-ups of a list whose texts took so long."""
    merging = WakeUps(cast(Unacknowledged, following), MAX_BYTES)
    if text_s is not None:
        first = taken(wake_up(JOBS[:1]), tag="measured")
        merging.merge(first, admit(first), SCORE_QUEUE, 1)
        merging.ended(first.tag, text_s)
    return merging


def long_list(count: int = 30) -> tuple[Taken, List]:
    messages = [taken(wake_up([job]), tag=f"t{n}") for n, job in enumerate(JOBS[:count])]
    return taken(wake_up([JOBS[-1]]), left=1_000), List(*messages)


def jobs_of(message: Admitted) -> list[str]:
    return [job["id"] for job in read_arguments(message.body)["jobs"]]


def test_a_message_of_the_client_names_one_job() -> None:
    assert named_job(admit(taken(wake_up(JOBS[:1])))) == str(JOBS[0])


@pytest.mark.parametrize(
    "message",
    [
        taken(wake_up(JOBS[:2])),
        taken({"version": 1, "jobs": [{"text": "x" * 34}]}),
        taken({"version": 1, "jobs": [{"id": "no-uuid-but-just-as-long-as-any-other"[:36]}]}),
        taken({"version": 2, "jobs": [{"id": str(JOBS[0])}]}),
        taken(wake_up(JOBS[:1]), task=LABEL_TASK),
        taken(wake_up(JOBS[:1]), FAILED),
        taken(wake_up(JOBS[:1]), headers={"expires": "2030-01-01T00:00:00Z"}),
        taken(wake_up(JOBS[:1]), headers={ALONE_HEADER: True}),
        taken(wake_up(JOBS[:1]), headers={"eta": "2030-01-01T00:00:00Z"}),
    ],
)
def test_a_message_that_does_anything_else_is_not_merged(message: Taken) -> None:
    assert named_job(admit(message)) is None


def test_wake_ups_of_a_long_list_become_one_message() -> None:
    first, following = long_list()
    merged, companions = wake_ups(following).merge(first, admit(first), SCORE_QUEUE, 2)
    assert jobs_of(merged) == [str(JOBS[-1]), *map(str, JOBS[: MOST - 1])]
    assert companions == [f"t{n}@{SCORE_QUEUE}" for n in range(MOST - 1)]
    assert merged.headers["id"] == "m"


@pytest.mark.parametrize(
    ("text_s", "texts"), [(None, 2), (0.3, 1), (0.1, 2), (LONGEST_S / 5, 5), (1e-6, MOST)]
)
def test_as_many_are_merged_as_are_scored_in_a_short_time(text_s: float | None, texts: int) -> None:
    first, following = long_list()
    merged, _ = wake_ups(following, text_s).merge(first, admit(first), SCORE_QUEUE, 1)
    assert len(jobs_of(merged)) == texts


def test_other_processes_keep_their_part_of_a_short_list() -> None:
    first, following = long_list()
    first.left = 3 * LEFT_PER_PROCESS * 4 - 1
    merged, _ = wake_ups(following).merge(first, admit(first), SCORE_QUEUE, 4)
    assert len(jobs_of(merged)) == 1 + 2


def test_a_message_of_another_kind_returns_to_be_read_next() -> None:
    text = taken({"version": 1, "jobs": [{"text": "one"}]}, tag="text")
    unreadable = Taken("bad@list", SCORE_QUEUE, b"{", 1)
    first, following = long_list(3)
    following.messages[1:1] = [text, unreadable]
    merged, companions = wake_ups(following).merge(first, admit(first), SCORE_QUEUE, 1)
    assert len(jobs_of(merged)) == 4 and len(companions) == 3
    # The last one is pushed first, so that the order stays.
    assert following.returned == [unreadable.tag, text.tag]


def test_messages_of_other_queues_and_those_with_texts_are_left_as_they_are() -> None:
    first, following = long_list()
    admitted = admit(first)
    assert wake_ups(following).merge(first, admitted, BULK_QUEUE, 1) == (admitted, [])
    text = taken({"version": 1, "jobs": [{"text": "one"}]}, left=1_000)
    admitted = admit(text)
    assert wake_ups(following).merge(text, admitted, SCORE_QUEUE, 1) == (admitted, [])


def test_the_first_message_is_delivered_if_redis_refuses_the_others() -> None:
    first, following = long_list()
    following.error = redis.ResponseError("OOM")
    merged, companions = wake_ups(following).merge(first, admit(first), SCORE_QUEUE, 1)
    assert (jobs_of(merged), companions) == ([str(JOBS[-1])], [])


def test_the_body_of_a_merged_message_is_plain_json() -> None:
    first, following = long_list()
    merged, _ = wake_ups(following).merge(first, admit(first), SCORE_QUEUE, 1)
    assert json.loads(merged.body.content)[0] == [] and not merged.body.is_base64
