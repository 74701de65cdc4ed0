"""The gate results in a manifest, read without importing the package that wrote them."""

import json
from dataclasses import asdict
from typing import Any

import pytest

from scoring.artifact.gates import failed_gates
from scoring.artifact.manifest import Manifest
from training.evaluation.gates import Gate, evaluate_gates


def manifest(gates: list[Any]) -> Manifest:
    return Manifest(
        name="toy",
        version="1.0.0",
        created_at="2026-01-01T00:00:00+00:00",
        parent=None,
        code_version="0",
        data={},
        metrics={},
        gates=gates,
        files={},
    )


def gate_results(**values: float) -> list[Any]:
    """Return the gate results as they are read from a manifest."""
    gates = [Gate("f1", 0.9, True), Gate("ece", 0.02, False), Gate("f1_drop", 0.01, False)]
    return json.loads(json.dumps([asdict(result) for result in evaluate_gates(values, gates)]))


def test_version_that_passed_has_no_failed_gates() -> None:
    assert failed_gates(manifest(gate_results(f1=0.95, ece=0.01))) == []


def test_each_failed_gate_is_a_sentence() -> None:
    assert failed_gates(manifest(gate_results(f1=0.85))) == [
        "f1 is 0.85; the gate requires at least 0.9.",
        "ece was not measured; the gate requires at most 0.02.",
    ]


def test_version_without_gates_has_not_passed() -> None:
    assert failed_gates(manifest([])) == ["toy/1.0.0 was never gated."]


@pytest.mark.parametrize("gate", [{}, {"passed": "yes"}, {"passed": 1}, "f1", None])
def test_gate_without_a_valid_passed_flag_has_failed(gate: Any) -> None:
    (sentence,) = failed_gates(manifest([gate]))
    assert "has neither passed nor a reason" in sentence
