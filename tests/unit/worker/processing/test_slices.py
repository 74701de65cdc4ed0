from __future__ import annotations

import uuid

import pytest

from plumbline.messages import MAX_JOBS, ScoreMessage
from worker.processing.slices import SLICE_CHARS, UNKNOWN_CHARS, slices


def message(*lengths: int | None) -> ScoreMessage:
    """Return a message whose jobs have texts of these lengths; None is a job without a text."""
    jobs = [{"id": str(uuid.uuid4())} if n is None else {"text": "x" * n} for n in lengths]
    return ScoreMessage.parse({"version": 1, "source": "shop", "jobs": jobs})


@pytest.mark.parametrize(
    ("lengths", "firsts"),
    [
        ([1], [0]),
        ([1] * MAX_JOBS, [0]),
        ([None] * MAX_JOBS, [0]),
        ([SLICE_CHARS], [0]),
        ([SLICE_CHARS, 1], [0, 1]),
        ([SLICE_CHARS + 1], [0]),
        ([1, SLICE_CHARS + 1, 1], [0, 1, 2]),
        ([SLICE_CHARS // 2] * 5, [0, 2, 4]),
        ([SLICE_CHARS - UNKNOWN_CHARS, None, None], [0, 2]),
        ([0, 0], [0]),
    ],
)
def test_a_slice_has_a_bounded_length(lengths: list[int | None], firsts: list[int]) -> None:
    whole = message(*lengths)
    parts = list(slices(whole))
    assert [part.first for part in parts] == firsts
    assert [job for part in parts for job in part.message.jobs] == whole.jobs
    assert {part.message.source for part in parts} == {"shop"}


def test_a_message_that_is_not_divided_stays_the_same_object() -> None:
    whole = message(1, 2)
    (part,) = slices(whole)
    assert part.message is whole


def test_each_job_can_be_a_slice() -> None:
    parts = list(slices(message(1, None, 3), one_by_one=True))
    assert [(part.first, len(part.message.jobs)) for part in parts] == [(0, 1), (1, 1), (2, 1)]
