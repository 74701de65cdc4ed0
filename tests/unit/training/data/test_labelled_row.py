from typing import Any

import pytest

from plumbline.files import InvalidRow
from training.data.labelled_row import LabelledColumns, LabelledRow, TextColumns


@pytest.mark.parametrize(
    ("split", "expected"),
    [
        ("Train", "train"),
        (" TRAINING ", "train"),
        ("valid", "validation"),
        ("val", "validation"),
        ("Dev", "validation"),
        ("Test", "test"),
        ("", ""),
        (None, ""),
        (float("nan"), ""),
        (b"test", "test"),
    ],
)
def test_split_has_known_spellings(split: Any, expected: str) -> None:
    values = {"text": "a", "label": 1, "split": split}
    assert LabelledColumns().parse_row(2, values) == LabelledRow(2, "a", 1, expected)
    assert TextColumns().parse_row(2, values) == LabelledRow(2, "a", 0, expected)


@pytest.mark.parametrize("split", ["holdout", "0", 3, "train/test"])
def test_unknown_split_is_an_error_that_names_it(split: Any) -> None:
    reason = f"its 'split' is {str(split)!r}, which is none of train, validation, test"
    for columns in (LabelledColumns(), TextColumns()):
        values = {"text": "a", "label": 1, "split": split}
        assert columns.parse_row(2, values) == InvalidRow(2, reason)
    ignoring = LabelledColumns(split="")
    assert ignoring.parse_row(2, values) == LabelledRow(2, "a", 1, "")


def test_split_column_is_found_in_another_case() -> None:
    row = LabelledColumns().parse_row(2, {"text": "a", "label": 0, " Split": "Test"})
    assert row == LabelledRow(2, "a", 0, "test")


@pytest.mark.parametrize("label", ["eggs", None, "", 2, [1], "nan"])
def test_unknown_label_is_an_error(label: Any) -> None:
    row = LabelledColumns().parse_row(2, {"text": "a", "label": label})
    assert isinstance(row, InvalidRow)
    assert row.reason.startswith("its label 'label' is ")
    assert row.reason.endswith(
        "neither 0 nor 1 nor ham nor spam; name the classes with --labels, or the values that mean "
        "the positive class with --positive"
    )


@pytest.mark.parametrize("text", [None, float("nan")])
def test_missing_text_is_an_empty_one(text: Any) -> None:
    assert LabelledColumns().parse_row(2, {"text": text, "label": 1}) == LabelledRow(2, "", 1, "")


def test_text_of_another_type_is_invalid() -> None:
    row = LabelledColumns().parse_row(2, {"text": 5, "label": 1})
    assert row == InvalidRow(2, "its 'text' is a number, not a string")
    assert LabelledColumns().parse_row(2, {"text": "a"}) == InvalidRow(
        2, "it has no column 'label'; its columns are: text"
    )
