from __future__ import annotations

import pytest

from plumbline.demo.texts import EMPTY, first_batch, long_text, second_batch
from plumbline_client.new_job import new_job

MAX_CHARS = 200_000


def test_first_batch_has_usual_odd_and_invalid_texts() -> None:
    batch = first_batch(MAX_CHARS)
    assert 38 <= len(batch) <= 48
    assert batch == first_batch(MAX_CHARS)
    assert len(set(batch)) == len(batch)
    assert EMPTY in batch
    assert sum("\0" in text for text in batch) == 1
    assert any("🎉" in text for text in batch)
    assert len(long_text().split()) == 2_000
    errors = [new_job(text, source="demo", max_chars=MAX_CHARS).error for text in batch]
    assert sum(error is not None for error in errors) == 2


@pytest.mark.parametrize("max_chars", [50_000, 200_000])
def test_one_text_is_too_long_by_one_character(max_chars: int) -> None:
    assert max(len(text) for text in first_batch(max_chars)) == max_chars + 1


def test_second_batch_is_large_enough_for_a_verdict_and_has_no_duplicates() -> None:
    assert len(set(second_batch())) == 100
