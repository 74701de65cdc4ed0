import pytest

from plumbline.errors import FileUnreadable, OptionInvalid
from plumbline.files.formats import Format, ReadOptions, format_of


@pytest.mark.parametrize(
    ("name", "format"),
    [
        ("a.txt", Format.TEXT),
        ("A.CSV.GZ", Format.CSV),
        ("a.tsv", Format.CSV),
        ("a.ndjson", Format.JSONL),
        ("a.parquet", Format.PARQUET),
        ("-", Format.TEXT),
    ],
)
def test_name_implies_the_format(name: str, format: Format) -> None:
    assert format_of(name) is format


@pytest.mark.parametrize("name", ["a.xls", "a", "a.parquet.gz"])
def test_an_unknown_file_name_suffix_is_refused(name: str) -> None:
    with pytest.raises(FileUnreadable, match="name its format with --format"):
        format_of(name)


def test_empty_name_is_refused() -> None:
    with pytest.raises(FileUnreadable, match=r"^The name of the file is empty; name a file, or -"):
        format_of("")


@pytest.mark.parametrize(
    ("named", "delimiter"), [("tab", "\t"), (r"\t", "\t"), ("Semicolon", ";"), ("^", "^")]
)
def test_delimiter_is_a_character_or_its_name(named: str, delimiter: str) -> None:
    assert ReadOptions.parse("latin-1", named) == ReadOptions("iso8859-1", delimiter)


@pytest.mark.parametrize("delimiter", ["", ",,", '"', "\n", "a", "7", "word"])
def test_other_delimiters_are_refused(delimiter: str) -> None:
    with pytest.raises(OptionInvalid, match=r"^--delimiter .* is not one character .*\.$"):
        ReadOptions.parse(None, delimiter)
