from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring.input.windows import MAX, MEAN, combine, windows


def test_a_text_that_fits_is_one_window() -> None:
    assert windows([1, 2, 3], 3, 1) == [[1, 2, 3]]
    assert windows([], 3, 1) == [[]]


def test_a_longer_text_is_cut_with_an_overlap_and_the_last_window_is_full() -> None:
    assert windows(range(8), 4, 1) == [[0, 1, 2, 3], [3, 4, 5, 6], [4, 5, 6, 7]]


@given(length=st.integers(0, 300), size=st.integers(1, 60), data=st.data())
def test_no_token_is_left_out(length: int, size: int, data: st.DataObject) -> None:
    overlap = data.draw(st.integers(0, size - 1))
    pieces = windows(range(length), size, overlap)
    assert {token for piece in pieces for token in piece} == set(range(length))
    assert all(len(piece) == min(size, length) for piece in pieces)
    for before, after in pairwise(pieces):
        assert len(set(before) & set(after)) >= overlap
        assert before[0] < after[0], "no window comes twice"


@pytest.mark.parametrize("overlap", [-1, 4, 5])
def test_an_overlap_must_fit(overlap: int) -> None:
    with pytest.raises(ValueError, match="does not fit windows of 4"):
        windows(range(9), 4, overlap)


def test_windows_are_combined_by_the_rule() -> None:
    assert combine([0.2, 0.4, 0.9], MEAN) == pytest.approx(0.5)
    assert combine([0.2, 0.4, 0.9], MAX) == 0.9
