import uuid

import pytest

from storage.reports.text_samples import Strata, largest_sample, last_id


@pytest.mark.parametrize(
    ("sizes", "total", "limit"),
    [
        ([100, 100], 50, 25),
        ([10, 100, 100], 50, 20),
        ([10, 20], 50, 20),
        ([], 50, 0),
    ],
)
def test_what_small_strata_leave_is_shared_by_the_others(
    sizes: list[int], total: int, limit: float
) -> None:
    assert largest_sample(sizes, total) == limit


def test_a_share_of_random_ids_is_drawn() -> None:
    assert last_id(0.25) == uuid.UUID("3fffffff-ffff-ffff-ffff-ffffffffffff")
    assert last_id(1.5) == last_id(1.0) == uuid.UUID("ffffffff-ffff-ffff-ffff-ffffffffffff")
    assert last_id(1e-60) == uuid.UUID(int=0)


@pytest.mark.parametrize(("drawn", "random"), [(30, True), (9, False), (50, False), (0, False)])
def test_ids_that_a_program_chose_are_noticed(drawn: int, random: bool) -> None:
    strata = Strata({"a": "a", "b": "b"}, {"a": 100, "b": 5}, 20.0)
    assert strata.is_random({"a": drawn, "b": 5}) is random
