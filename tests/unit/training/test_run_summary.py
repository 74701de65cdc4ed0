from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.measured_version import MEASURED
from training.evaluation.gates import Gate, evaluate_gates
from training.evaluation.measurement import ComparedVersion, Measurement
from training.loop.resource_monitor import ResourceUsage
from training.run_summary import print_summary


@pytest.fixture(autouse=True)
def wide_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "160")


def summary(measured: Measurement, capsys: pytest.CaptureFixture[str]) -> list[list[str]]:
    """Return the words of each printed line, without the lines of the tables."""
    # Importing `training.run`, which has the type of the result, would import TensorFlow.
    result: Any = SimpleNamespace(
        model="toy/1.2.3",
        folder=Path("models/toy/1.2.3"),
        measured=measured,
        resources=ResourceUsage(62.4, 1.0, 2_345.4, None, None),
    )
    print_summary(result)
    printed = capsys.readouterr().out
    return [line.replace("│", " ").replace("┃", " ").split() for line in printed.splitlines()]


def test_each_measure_has_a_row_with_its_interval(capsys: pytest.CaptureFixture[str]) -> None:
    rows = summary(MEASURED, capsys)
    assert ["toy/1.2.3", "on", "the", "test", "split"] in rows
    assert ["accuracy", "0.9911", "0.711", "to", "0.711", "0.9912"] in rows
    assert ["auc", "0.9955", "0.712", "to", "0.712", "0.9956"] in rows
    assert ["MB", "22.7", "90.8"] in rows


def test_version_that_was_compared_has_a_column(capsys: pytest.CaptureFixture[str]) -> None:
    earlier = ComparedVersion("toy/1.2.2", replace(MEASURED.int8, f1=0.9123))
    rows = summary(replace(MEASURED, compared=earlier), capsys)
    assert any(row[-2:] == ["float32", "toy/1.2.2"] for row in rows)
    assert any(row[:1] == ["f1"] and row[-1] == "0.9123" for row in rows)


def test_gates_have_their_value_and_outcome(capsys: pytest.CaptureFixture[str]) -> None:
    rows = summary(MEASURED, capsys)
    assert ["1", "of", "2", "gates", "failed:"] in [row[:5] for row in rows]
    assert ["f1", ">=", "0.9", "0.9644", "passed"] in rows
    assert ["ece", "<=", "0.03", "0.0345", "failed"] in rows


def test_skipped_gate_has_no_value_and_counts_as_passed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    gates = evaluate_gates({}, [Gate("f1_drop", 0.01, False)])
    rows = summary(replace(MEASURED, gates=gates), capsys)
    assert ["All", "gates", "passed"] in rows
    assert ["f1_drop", "<=", "0.01", "–", "skipped"] in rows


def test_last_line_has_parity_resources_and_folder(capsys: pytest.CaptureFixture[str]) -> None:
    last = " ".join(summary(MEASURED, capsys)[-1])
    assert last == (
        "737 test texts; largest difference between int8 and float32 0.0432, 0.14% of decisions "
        "changed; temperature 0.59; 62 s, peak memory 2,345 MB; saved in models/toy/1.2.3"
    )
