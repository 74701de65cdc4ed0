from decimal import Decimal

import pytest

from plumbline.labels import parse_label, spelled_label


@pytest.mark.parametrize(
    ("value", "label"),
    [
        *((zero, 0) for zero in (0, 0.0, False, "0", " 0.0 ", "FALSE", "f", "No", "n", b"0")),
        *((one, 1) for one in (1, 1.0, True, Decimal("1.0"), "1.", "1.00", "True", "T", "yes")),
        *((other, None) for other in (None, "", "2", 2, -1, 0.5, "nan", float("nan"), "11", [])),
        *((other, None) for other in ("0.01", "01", "spam", "\u0661", {}, b"\xff")),
    ],
)
def test_label_has_many_spellings(value: object, label: int | None) -> None:
    assert spelled_label(value) == label


def test_class_name_is_compared_first() -> None:
    assert parse_label(" spam", ("ham", "spam")) == 1
    assert parse_label("Ham", ("ham", "spam")) == 0
    assert parse_label("true", ("true", "false")) == 0
    assert parse_label(True, ("true", "false")) == 0
    assert parse_label("A", ("a", "A")) == 1
    assert parse_label("1", ("ham", "spam")) == 1
    assert parse_label("eggs", ("ham", "spam")) is None
