import pytest

from scoring.input.features import PLAIN_FEATURES, describe


def test_a_text_in_numbers() -> None:
    assert describe("Win 10€ NOW!", [5, 1, 7, 1], unknown_id=1) == {
        "chars": 12.0,
        "words": 3.0,
        "tokens": 4.0,
        "unknown_share": 0.5,
        "digit_share": pytest.approx(2 / 12),
        "upper_share": pytest.approx(4 / 12),
        "punctuation_share": pytest.approx(2 / 12),
        "non_ascii_share": pytest.approx(1 / 12),
    }


def test_every_feature_is_there_and_a_number_even_for_nothing() -> None:
    assert tuple(describe("", [], unknown_id=None)) == PLAIN_FEATURES
    assert set(describe("", [], unknown_id=None).values()) == {0.0}
