from typing import Any

import pytest

from plumbline.cli.output.gate_results import GateStatus, gate_row, gates_failed, version_status
from scoring.artifact.manifest import Manifest
from tests.artifacts import FAILED, PASSED, gate


def manifest(*gates: Any) -> Manifest:
    return Manifest(
        name="tiny",
        version="1.0.0",
        created_at="2026-01-01T00:00:00+00:00",
        parent=None,
        code_version="0",
        data={},
        metrics={},
        gates=list(gates),
        files={},
    )


def test_version_passed_failed_or_has_no_gates() -> None:
    assert version_status(manifest(*PASSED)) is GateStatus.PASSED
    assert version_status(manifest(*FAILED)) is GateStatus.FAILED
    assert version_status(manifest()) is GateStatus.NONE


def test_error_names_the_failed_gates_and_the_option_that_overrides_them() -> None:
    assert str(gates_failed("m/1.0.0", ["f1 is 0.85; the gate requires at least 0.9."])) == (
        "m/1.0.0 is not deployed because of its gates: f1 is 0.85; the gate requires at least 0.9. "
        "Use --force to deploy it anyway; the history records that."
    )


def test_error_for_many_gates_names_the_first_and_counts_the_rest() -> None:
    sentence = str(gates_failed("m/1.0.0", [f"gate {n} failed." for n in range(5)]))
    assert "gate 0 failed; gate 1 failed; gate 2 failed; and 2 more. Use --force" in sentence
    sentence = str(gates_failed("m/1.0.0", ["gate 0 failed."] * 3))
    assert "and" not in sentence.partition("Use --force")[0]


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        (gate("f1", 0.95, 0.9), ["f1", "0.95", "≥ 0.9", "passed"]),
        (gate("f1", 0.85, 0.9), ["f1", "0.85", "≥ 0.9", "failed"]),
        (gate("ece", 0.01, 0.02, at_least=False, passed=True), ["ece", "0.01", "≤ 0.02", "passed"]),
        (
            gate("source_drop", 0.04, 0.01, at_least=False, passed=False) | {"subject": "shop\x1b"},
            ["source_drop of shop\\x1b", "0.04", "≤ 0.01", "failed"],
        ),
        (gate("f1", None, 0.9), ["f1", "", "≥ 0.9", "failed"]),
        (PASSED[1], ["f1_drop", "", "≥ 0.01", "skipped"]),
        ({"passed": "yes", "skipped": True}, ["?", "", "", "failed"]),
        ({"name": "\x1b[31m", "value": "much"}, ["\\x1b[31m", "", "", "failed"]),
        ("f1", ["'f1'", "", "", "failed"]),
    ],
)
def test_every_gate_of_a_manifest_is_one_row_even_if_it_is_malformed(
    entry: Any, expected: list[str]
) -> None:
    assert [cell.plain for cell in gate_row(entry)] == expected
