import pytest

from scoring.input.features import PLAIN_FEATURES, plain_features


def test_features_of_a_text() -> None:
    assert plain_features("Win 10€ NOW!", [5, 1, 7, 1], unknown_id=1) == {
        "chars": 12.0,
        "words": 3.0,
        "tokens": 4.0,
        "unknown_share": 0.5,
        "digit_share": pytest.approx(2 / 12),
        "upper_share": pytest.approx(4 / 12),
        "punctuation_share": pytest.approx(2 / 12),
        "non_ascii_share": pytest.approx(1 / 12),
    }


def test_empty_text_has_every_feature() -> None:
    assert tuple(plain_features("", [], unknown_id=None)) == PLAIN_FEATURES
    assert set(plain_features("", [], unknown_id=None).values()) == {0.0}
