import pytest

from plumbline_client.backlog import Backlog, OnFull
from plumbline_client.errors import BacklogFull


class Ledger:
    """A number of queued texts, a clock, and a counter of how often the texts were counted."""

    def __init__(self, queued: int, count_takes_s: float = 0.0) -> None:
        self.queued = queued
        self.count_takes_s = count_takes_s
        self.counts = 0
        self.time_s = 100.0

    def count(self, limit: int) -> int:
        self.counts += 1
        self.time_s += self.count_takes_s
        return min(self.queued, limit)

    def now(self) -> float:
        return self.time_s

    def pause(self, seconds: float) -> None:
        self.time_s += seconds


def test_texts_are_counted_at_most_once_per_second() -> None:
    ledger = Ledger(3)
    backlog = Backlog(ledger.count, 10, ledger.now)
    for _ in range(100):
        assert backlog.queued() == 3
        ledger.pause(0.0199)
    assert ledger.counts == 2


def test_a_slow_count_is_made_rarely() -> None:
    ledger = Ledger(3, count_takes_s=0.5)
    backlog = Backlog(ledger.count, 10, ledger.now)
    while ledger.time_s < 200.0:
        backlog.queued()
        ledger.pause(0.1)
    assert ledger.counts == pytest.approx(100 / (0.5 / 0.05), abs=1)


def test_added_texts_count_before_the_next_count() -> None:
    ledger = Ledger(0)
    backlog = Backlog(ledger.count, 10, ledger.now)
    backlog.wait_for_capacity(OnFull.REFUSE)
    backlog.add(10)
    with pytest.raises(BacklogFull) as refusal:
        backlog.wait_for_capacity(OnFull.REFUSE)
    assert str(refusal.value) == (
        "10 or more texts are queued, and the limit is 10 (PLUMBLINE_MAX_BACKLOG); try again later."
    )
    assert ledger.counts == 1


def test_waiting_reports_the_backlog_until_there_is_capacity() -> None:
    ledger = Ledger(12)
    backlog = Backlog(ledger.count, 10, ledger.now)
    reported: list[int] = []

    def on_wait(queued: int) -> None:
        reported.append(queued)
        ledger.queued -= 1

    backlog.wait_for_capacity(OnFull.WAIT, on_wait=on_wait, pause=ledger.pause)
    assert ledger.queued < 10 and set(reported) == {10}


def test_waiting_ends_after_the_timeout() -> None:
    ledger = Ledger(10)
    backlog = Backlog(ledger.count, 10, ledger.now)
    with pytest.raises(BacklogFull):
        backlog.wait_for_capacity(OnFull.WAIT, timeout_s=5.0, pause=ledger.pause)
    assert 105.0 <= ledger.time_s < 106.0
