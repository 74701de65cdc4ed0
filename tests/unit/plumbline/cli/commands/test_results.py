from pathlib import Path
from typing import Any

import pytest

from plumbline.cli.commands.results import Output, choose_format, results, sample_output
from plumbline.cli.sample import SampleOutput
from plumbline.errors import OptionInvalid
from plumbline_client.states import JobState
from storage.states import Sampling


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


def test_sample_is_csv_unless_another_format_is_named() -> None:
    assert sample_output(None, None, False, True) == SampleOutput("csv", raw=True)
    assert sample_output(None, Path("a.jsonl"), False, False) == SampleOutput(
        "jsonl", Path("a.jsonl")
    )
    assert sample_output(None, None, True, False) == SampleOutput("jsonl", document=True)
    with pytest.raises(OptionInvalid, match="A sample is a file to fill in"):
        sample_output(Output.TABLE, None, False, False)
    with pytest.raises(OptionInvalid, match="--raw is for CSV alone"):
        sample_output(Output.JSONL, None, False, True)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"sample": 3, "limit": 5}, "leave out --state and --limit"),
        ({"sample": 3, "state": JobState.SCORED}, "leave out --state and --limit"),
        ({"by": Sampling.RANDOM}, "need --sample"),
        ({"seed": 0}, "need --sample"),
        ({"per_source": True}, "need --sample"),
        ({"source": ["a", "b"]}, "Only --sample takes more than one --source"),
    ],
)
def test_options_that_do_not_fit_together_are_refused(options: dict[str, Any], reason: str) -> None:
    with pytest.raises(OptionInvalid, match=reason):
        results(**options)
