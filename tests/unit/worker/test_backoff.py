import pytest

from worker.backoff import LONGEST_S, backoff_s


@pytest.mark.parametrize(
    ("retries", "whole"), [(0, 0.5), (1, 1.0), (3, 4.0), (6, 30.0), (99, 30.0)]
)
def test_pauses_double_up_to_the_longest(retries: int, whole: float) -> None:
    assert backoff_s(retries, draw=0.0) == whole / 2
    assert backoff_s(retries, draw=1.0) == whole


def test_pauses_are_spread() -> None:
    pauses_s = {backoff_s(10) for _ in range(50)}
    assert len(pauses_s) > 40
    assert max(pauses_s) <= LONGEST_S
