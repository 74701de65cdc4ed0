import pytest

from plumbline.errors import FileUnreadable
from plumbline.files.header import columns_to_read, optional_value
from plumbline.files.rows import Columns
from training.data.labelled_row import TextColumns


@pytest.mark.parametrize(
    ("present", "sentence"),
    [
        ([], "a.csv has no column 'text'; its columns are: none."),
        (["id", "body"], "a.csv has no column 'text'; its columns are: id, body."),
        (["id", " Text"], "its columns are: id, ' Text'. Did you mean ' Text'?"),
        (["1", "See you"], "1, See you. A file needs a first line with the names of its columns."),
        (["a\tb", ""], "its columns are: 'a\\tb', ''."),
        (["id:text"], "its columns are: id:text. Name the character between its columns with"),
        (["context"], "its columns are: context."),
        (["x" * 50], f"its columns are: '{'x' * 40}'...."),
        ([str(n) for n in range(99)], "28, 29, and 69 more."),
        (["text", "id", "text"], "a.csv has 2 columns named 'text'; rename all but one of them."),
    ],
)
def test_missing_or_doubled_column_is_refused(present: list[str], sentence: str) -> None:
    with pytest.raises(FileUnreadable) as caught:
        columns_to_read("a.csv", present, Columns())
    assert sentence in str(caught.value)


def test_columns_that_are_not_read_may_have_any_name() -> None:
    assert columns_to_read("a", ["x", "text", "x", "", ""], Columns()) == ["text"]
    assert columns_to_read("a", ["id", "text"], Columns("text", "id")) == ["text", "id"]


def test_optional_column_is_found_in_another_case() -> None:
    assert columns_to_read("a", ["text"], TextColumns()) == ["text"]
    assert columns_to_read("a", ["text", " Split"], TextColumns()) == ["text", " Split"]
    assert optional_value({"text": "a", " Split": "test"}, "split") == "test"
    assert optional_value({"text": "a"}, "split") is None
    with pytest.raises(FileUnreadable, match="2 columns named 'split'"):
        columns_to_read("a", ["text", "Split", "split"], TextColumns())
