import uuid

from plumbline.cli.commands.submit import REASONS_SHOWN, Tally
from plumbline.files import BadRow
from plumbline_client import Receipt
from plumbline_client.states import JobState


def receipt(state: JobState, *, new: bool = True, published: bool = True) -> Receipt:
    error = "the text is empty" if state is JobState.REJECTED else None
    return Receipt(uuid.uuid4(), state, error, new, published)


def test_every_text_is_counted_once() -> None:
    tally = Tally("test")
    tally.add(1, receipt(JobState.QUEUED))
    tally.add(2, receipt(JobState.QUEUED, published=False))
    tally.add(3, receipt(JobState.SCORED, new=False))
    tally.add(4, receipt(JobState.REJECTED))
    tally.add(5, receipt(JobState.REJECTED, new=False))
    tally.add_unreadable(BadRow(6, "it is not JSON"))
    assert tally.counts() == {
        "source": "test",
        "accepted": 2,
        "known": 2,
        "rejected": 1,
        "unreadable": 1,
        "unpublished": 1,
    }
    assert tally.reasons == [(4, "the text is empty"), (6, "it is not JSON")]


def test_only_the_first_reasons_are_kept() -> None:
    tally = Tally("test")
    for line in range(1, 1_000):
        tally.add_unreadable(BadRow(line, "bad"))
    assert tally.unreadable == 999
    assert [line for line, _ in tally.reasons] == list(range(1, REASONS_SHOWN + 1))
