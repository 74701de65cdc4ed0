from decimal import Decimal

import pytest

from plumbline.errors import OptionInvalid
from plumbline.labels import LabelValues, parse_label, spelled_label


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


def test_every_value_that_is_not_named_is_the_other_class() -> None:
    values = LabelValues.parse(["spam"], [])
    assert values is not None
    labels = [values.parse_label(value) for value in ("Spam", "ham", "ham", 1, "smishing")]
    assert labels == [1, 0, 0, 0, 0]
    assert values.sentence() == (
        "Labels that --positive does not name are the negative class: 'ham' (2), '1' (1), "
        "'smishing' (1)."
    )
    others = LabelValues.parse([], ["ham"])
    assert others is not None and others.parse_label("smishing") == 1
    assert others.sentence() is not None and "the positive class" in str(others.sentence())


def test_missing_value_is_not_the_other_class() -> None:
    values = LabelValues.parse(["spam"], [])
    assert values is not None
    for missing in (None, "", " ", float("nan"), "NaN", "null", "N/A"):
        assert values.parse_label(missing) is None
    assert values.sentence() is None


def test_only_named_values_are_labels_if_both_classes_are_named() -> None:
    values = LabelValues.parse(["1"], ["-1"])
    assert values is not None
    assert [values.parse_label(value) for value in (1.0, "-1.0", 0, "true")] == [1, 0, None, None]
    assert values.names() == ["-1", "1"]


def test_many_other_values_are_listed_by_frequency() -> None:
    values = LabelValues.parse(["x"], [])
    assert values is not None
    for number in range(8):
        values.parse_label("y" * 50 + str(number))
    assert "3 more values" in str(values.sentence())
    assert "y" * 41 not in str(values.sentence())


@pytest.mark.parametrize(
    ("positive", "negative", "reason"),
    [
        ([""], [], "an empty value is a text without a label"),
        (["Spam"], ["spam "], "'spam' is named by --positive and --negative"),
    ],
)
def test_contradictory_options_are_refused(
    positive: list[str], negative: list[str], reason: str
) -> None:
    with pytest.raises(OptionInvalid, match=reason):
        LabelValues.parse(positive, negative)
    assert LabelValues.parse([], []) is None


@pytest.mark.parametrize(
    ("positive", "negative"), [(["b", "a"], []), ([], ["a"]), (["a"], ["b"]), (["0"], [])]
)
def test_labels_are_written_so_that_they_are_read_back(
    positive: list[str], negative: list[str]
) -> None:
    values = LabelValues.parse(positive, negative)
    assert values is not None
    assert [values.parse_label(value) for value in values.written()] == [0, 1]
