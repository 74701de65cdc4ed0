from __future__ import annotations

import math

import pytest

from worker.periodic import interval


@pytest.mark.parametrize(("header", "seconds"), [(5, 5.0), (0.5, 0.5), (3_600.0, 3_600.0)])
def test_the_header_of_beat_is_an_interval(header: object, seconds: float) -> None:
    assert interval(header) == seconds


@pytest.mark.parametrize("header", [None, "5", True, 0, -1, math.nan, math.inf, 1e12, [5], {}])
def test_any_other_header_is_none(header: object) -> None:
    assert interval(header) is None
