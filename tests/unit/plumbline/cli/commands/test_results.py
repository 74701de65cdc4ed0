from pathlib import Path

import pytest

from plumbline.cli.commands.results import Output, choose_format
from plumbline.errors import OptionInvalid


@pytest.mark.parametrize(
    ("format", "output", "as_json", "expected"),
    [
        (None, None, False, Output.TABLE),
        (None, None, True, Output.JSONL),
        (Output.CSV, None, False, Output.CSV),
        (None, Path("a.parquet"), False, Output.PARQUET),
        (None, Path("a.CSV"), False, Output.CSV),
        (Output.JSONL, Path("a.txt"), False, Output.JSONL),
    ],
)
def test_format_is_the_option_else_by_the_file_name(
    format: Output | None, output: Path | None, as_json: bool, expected: Output
) -> None:
    assert choose_format(format, output, as_json) is expected


@pytest.mark.parametrize(
    ("format", "output", "as_json"),
    [
        (Output.CSV, None, True),
        (None, Path("a.csv"), True),
        (Output.PARQUET, None, False),
        (Output.TABLE, Path("a.csv"), False),
        (None, Path("a.xls"), False),
        (None, Path("table"), False),
    ],
)
def test_contradictory_options_are_reported_in_one_sentence(
    format: Output | None, output: Path | None, as_json: bool
) -> None:
    with pytest.raises(OptionInvalid, match=r"\.$"):
        choose_format(format, output, as_json)
