from dataclasses import replace
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from tests.measured_version import MEASURED
from training.data.examples import Example
from training.evaluation.gates import Gate, evaluate_gates
from training.evaluation.group_comparison import Answers, compare_groups
from training.evaluation.measurement import ComparedVersion, Measurement
from training.group_tables import group_tables
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
        labels=("letter", "advert"),
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
    assert ["accuracy", "0.9911", "0.711", "to", "0.711", "0.9912", "0.8684", "0.9891"] in rows
    assert ["auc", "0.9955", "0.712", "to", "0.712", "0.9956", "0.5000", "0.9937"] in rows
    assert any(row[:2] == ["negative_recall", "0.9966"] for row in rows)
    assert ["MB", "22.7", "90.8"] in rows


def test_version_that_was_compared_has_a_column(capsys: pytest.CaptureFixture[str]) -> None:
    earlier = ComparedVersion("toy/1.2.2", replace(MEASURED.int8, f1=0.9123))
    rows = summary(replace(MEASURED, compared=earlier), capsys)
    assert any(row[-4:] == ["float32", "toy/1.2.2", "majority", "TF-IDF"] for row in rows)
    assert any(row[:1] == ["f1"] and row[-3] == "0.9123" for row in rows)


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


def test_failed_gates_and_a_tie_with_the_linear_model_are_sentences(
    capsys: pytest.CaptureFixture[str],
) -> None:
    lines = [" ".join(row) for row in summary(MEASURED, capsys)]
    assert lines[-3] == "ece is 0.0345; the gate requires at most 0.03."
    assert lines[-2].startswith(
        "The version only ties with the TF-IDF baseline, which took 1.2 s to train: accuracy "
        "0.9911 against 0.9891, difference +0.0020"
    )


def test_sources_are_shown_beside_the_version_before(capsys: pytest.CaptureFixture[str]) -> None:
    test = [Example(f"t {n}", n % 2, source="shop" if n < 20 else "[b]") for n in range(40)]
    right = [float(n % 2) for n in range(40)]
    answers = Answers(right, right, [1.0 - right[0], *right[1:]])
    groups = compare_groups(test, answers, {"shop"})
    earlier = ComparedVersion("toy/1.2.2", MEASURED.int8)
    lines = [
        " ".join(row) for row in summary(replace(MEASURED, groups=groups, compared=earlier), capsys)
    ]
    title = "Test texts by source: toy/1.2.2, below it this version"
    assert title in lines
    (shop,) = (line for line in lines if line.startswith("shop "))
    assert shop.startswith("shop 0.950 0.952 1.000 0.900 +5.0 ")
    below = lines[lines.index(shop) + 1]
    assert below.startswith("20 texts 1.000 1.000 1.000 1.000 -") and " to +" in below
    (other,) = (line for line in lines if line.startswith("[b] "))
    assert lines[lines.index(other) + 1].startswith("20 texts, new 1.000")


@pytest.mark.parametrize("name", ["mail", "labels-20261127T051346.825432Z.jsonl"])
def test_tables_of_groups_fit_80_columns(name: str) -> None:
    test = [Example(f"t {n}", n % 2, source=name) for n in range(40)]
    right = [float(n % 2) for n in range(40)]
    (table,) = group_tables(compare_groups(test, Answers(right, right, right)), "toy/1.2.2")
    console = Console(width=80, file=StringIO())
    console.print(table)
    printed = console.file.getvalue()  # type: ignore[attr-defined]
    assert name[-10:] in printed and "40 texts, new" in printed and "TF-IDF" in printed
    assert max(map(len, printed.splitlines())) <= 80


def test_texts_of_errors_are_printed_only_if_they_are_shown(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert "Worst" not in str(summary(MEASURED, capsys))
    shown = [replace(MEASURED.worst_errors[0], text="cash\x1b [prize]")]
    lines = [" ".join(row) for row in summary(replace(MEASURED, worst_errors=shown), capsys)]
    assert "advert 0.9871 toy.jsonl:512 cash\\x1b [prize]" in lines


def test_bias_is_printed_if_there_is_one(capsys: pytest.CaptureFixture[str]) -> None:
    calibration = replace(MEASURED.calibration, bias=-0.254)
    last = " ".join(summary(replace(MEASURED, calibration=calibration), capsys)[-1])
    assert "temperature 0.59, bias -0.25; 62 s" in last


def test_last_line_has_parity_resources_and_folder(capsys: pytest.CaptureFixture[str]) -> None:
    last = " ".join(summary(MEASURED, capsys)[-1])
    assert last == (
        "737 test texts; largest difference between int8 and float32 0.0432, 0.14% of decisions "
        "changed; temperature 0.59; 62 s, peak memory 2,345 MB; saved in models/toy/1.2.3"
    )
