import pytest

from storage.database import connect
from worker.pool.drain import Drain
from worker.pool.lease_renewal import ABANDON_AFTER_S, LeaseRenewal


@pytest.fixture
def drain() -> Drain:
    return Drain()


@pytest.fixture
def renewal(drain: Drain) -> LeaseRenewal:
    """A lease renewal that would fail if it used the database."""
    return LeaseRenewal(connect("postgresql://nobody@127.0.0.1:1/none"), 15.0, drain)


def test_a_drain_abandons_a_slow_text_that_has_no_lease(
    renewal: LeaseRenewal, drain: Drain
) -> None:
    """The shadow's text has no lease, but the process must end in time."""
    abandoned = []
    with renewal.renewing((), lambda: abandoned.append(True)):
        renewal._check(10_000.0)
        drain.begin()
        renewal._check(10_001.0)
        renewal._check(10_001.0 + ABANDON_AFTER_S)
        assert not abandoned
        renewal._check(10_001.1 + ABANDON_AFTER_S)
    assert abandoned == [True]
    renewal._check(20_000.0)
    assert abandoned == [True], "the block has ended"
