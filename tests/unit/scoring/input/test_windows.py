from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring.input.windows import MAX, MEAN, combine, split_into_windows


def test_text_that_fits_is_one_window() -> None:
    assert split_into_windows([1, 2, 3], 3, 1) == [[1, 2, 3]]
    assert split_into_windows([], 3, 1) == [[]]


def test_longer_text_is_split_with_an_overlap_and_a_full_last_window() -> None:
    assert split_into_windows(range(8), 4, 1) == [[0, 1, 2, 3], [3, 4, 5, 6], [4, 5, 6, 7]]


@given(length=st.integers(0, 300), size=st.integers(1, 60), data=st.data())
def test_windows_cover_every_token(length: int, size: int, data: st.DataObject) -> None:
    overlap = data.draw(st.integers(0, size - 1))
    windows = split_into_windows(range(length), size, overlap)
    assert {token for window in windows for token in window} == set(range(length))
    assert all(len(window) == min(size, length) for window in windows)
    for before, after in pairwise(windows):
        assert len(set(before) & set(after)) >= overlap
        assert before[0] < after[0], "the windows are distinct"


@pytest.mark.parametrize("overlap", [-1, 4, 5])
def test_overlap_must_fit(overlap: int) -> None:
    with pytest.raises(ValueError, match="does not fit windows of 4"):
        split_into_windows(range(9), 4, overlap)


def test_windows_are_combined_by_the_rule() -> None:
    assert combine([0.2, 0.4, 0.9], MEAN) == pytest.approx(0.5)
    assert combine([0.2, 0.4, 0.9], MAX) == 0.9
