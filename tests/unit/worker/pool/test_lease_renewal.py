import pytest

from storage.database import connect
from worker.pool.drain import Drain
from worker.pool.lease_renewal import ABANDON_AFTER_S, LeaseRenewal


@pytest.fixture
def drain() -> Drain:
    return Drain()


@pytest.fixture
def keeper(drain: Drain) -> LeaseRenewal:
    """One that fails if it reaches for the database."""
    return LeaseRenewal(connect("postgresql://nobody@127.0.0.1:1/none"), 15.0, drain)


def test_what_holds_no_lease_is_abandoned_by_a_drain_all_the_same(
    keeper: LeaseRenewal, drain: Drain
) -> None:
    """As the shadow's text in hand: nobody waits for it, but the process must be gone in time."""
    abandoned = []
    with keeper.keeping((), lambda: abandoned.append(True)):
        keeper._look(10_000.0)
        drain.begin()
        keeper._look(10_001.0)
        keeper._look(10_001.0 + ABANDON_AFTER_S)
        assert not abandoned
        keeper._look(10_001.1 + ABANDON_AFTER_S)
    assert abandoned == [True]
    keeper._look(20_000.0)
    assert abandoned == [True], "the block has ended"
