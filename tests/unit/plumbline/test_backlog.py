import pytest

from plumbline_client.backlog import Backlog, OnFull
from plumbline_client.errors import BacklogFull


class Ledger:
    """Texts that wait, a clock, and how often somebody counted."""

    def __init__(self, waiting: int, count_takes_s: float = 0.0) -> None:
        self.waiting = waiting
        self.count_takes_s = count_takes_s
        self.counts = 0
        self.time_s = 100.0

    def count(self, most: int) -> int:
        self.counts += 1
        self.time_s += self.count_takes_s
        return min(self.waiting, most)

    def now(self) -> float:
        return self.time_s

    def pause(self, seconds: float) -> None:
        self.time_s += seconds


def test_it_counts_at_most_once_a_second() -> None:
    ledger = Ledger(3)
    backlog = Backlog(ledger.count, 10, ledger.now)
    for _ in range(100):
        assert backlog.waiting() == 3
        ledger.pause(0.0199)
    assert ledger.counts == 2


def test_a_count_that_takes_long_is_made_seldom() -> None:
    ledger = Ledger(3, count_takes_s=0.5)
    backlog = Backlog(ledger.count, 10, ledger.now)
    while ledger.time_s < 200.0:
        backlog.waiting()
        ledger.pause(0.1)
    assert ledger.counts == pytest.approx(100 / (0.5 / 0.05), abs=1)


def test_its_own_texts_count_before_they_are_counted() -> None:
    ledger = Ledger(0)
    backlog = Backlog(ledger.count, 10, ledger.now)
    backlog.wait_for_capacity(OnFull.REFUSE)
    backlog.add(10)
    with pytest.raises(BacklogFull) as refusal:
        backlog.wait_for_capacity(OnFull.REFUSE)
    assert str(refusal.value) == (
        "10 texts or more wait to be scored, and at most 10 may (PLUMBLINE_MAX_BACKLOG); "
        "try again later."
    )
    assert ledger.counts == 1


def test_it_waits_until_there_is_room_and_says_so_meanwhile() -> None:
    ledger = Ledger(12)
    backlog = Backlog(ledger.count, 10, ledger.now)
    told: list[int] = []

    def hear(waiting: int) -> None:
        told.append(waiting)
        ledger.waiting -= 1

    backlog.wait_for_capacity(OnFull.WAIT, on_wait=hear, pause=ledger.pause)
    assert ledger.waiting < 10 and set(told) == {10}


def test_it_waits_no_longer_than_told() -> None:
    ledger = Ledger(10)
    backlog = Backlog(ledger.count, 10, ledger.now)
    with pytest.raises(BacklogFull):
        backlog.wait_for_capacity(OnFull.WAIT, timeout_s=5.0, pause=ledger.pause)
    assert 105.0 <= ledger.time_s < 106.0
