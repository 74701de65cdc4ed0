import uuid

import pytest

from plumbline.cli.commands.submit import SubmissionCounts, backlog_notice
from plumbline.files import InvalidRow, Problem, Row
from plumbline_client import Receipt
from plumbline_client.states import JobState


def receipt(state: JobState, *, new: bool = True, published: bool = True) -> Receipt:
    error = "the text is empty" if state is JobState.REJECTED else None
    return Receipt(uuid.uuid4(), state, error, new, published)


def conflict() -> Receipt:
    error = "the key belongs to another text"
    return Receipt(uuid.uuid4(), JobState.SCORED, error, new=False, published=True, conflict=True)


def test_every_text_is_counted_once() -> None:
    counts = SubmissionCounts("test")
    counts.add(1, receipt(JobState.QUEUED))
    counts.add(2, receipt(JobState.QUEUED, published=False))
    counts.add(3, receipt(JobState.SCORED, new=False))
    counts.add(4, receipt(JobState.REJECTED))
    counts.add(5, receipt(JobState.REJECTED, new=False))
    counts.add_invalid(InvalidRow(6, "it is not JSON", Problem.NOT_JSON))
    counts.add(7, conflict())
    assert counts.document() == {
        "source": "test",
        "accepted": 2,
        "known": 2,
        "conflicts": 1,
        "rejected": 1,
        "unreadable": 1,
        "unpublished": 1,
        "skipped": {
            "rejected": {"count": 1, "lines": [4]},
            "not_json": {"count": 1, "lines": [6]},
            "conflict": {"count": 1, "lines": [7]},
        },
        "replaced": {},
    }
    assert counts.errors.first == [
        (4, "the text is empty"),
        (6, "it is not JSON"),
        (7, "the key belongs to another text"),
    ]
    assert counts.errors.count == 3


def test_full_backlog_is_reported_only_once(capsys: pytest.CaptureFixture[str]) -> None:
    notify = backlog_notice()
    notify(2)
    notify(3)
    assert (
        capsys.readouterr().err == "2 texts are queued already; waiting until there is capacity.\n"
    )


def test_replaced_characters_are_counted() -> None:
    counts = SubmissionCounts("test")
    for line, text in enumerate(["plain", "nul \0", "é", "half \ud800 of a pair \0"], start=1):
        counts.add_replacements(Row(line, text))
    assert counts.document()["replaced"] == {
        "nul_replaced": {"count": 2, "lines": [2, 4]},
        "surrogate_replaced": {"count": 1, "lines": [4]},
    }
