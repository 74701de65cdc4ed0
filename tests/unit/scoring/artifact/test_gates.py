"""What a manifest says of its gates, read without the house that wrote it."""

import json
from dataclasses import asdict
from typing import Any

import pytest

from scoring.artifact.gates import failed_gates
from scoring.artifact.manifest import Manifest
from training.evaluation.gates import Gate, judge


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


def judged(**values: float) -> list[Any]:
    """As it comes back out of a manifest."""
    gates = [Gate("f1", 0.9, True), Gate("ece", 0.02, False), Gate("f1_drop", 0.01, False)]
    return json.loads(json.dumps([asdict(result) for result in judge(values, gates)]))


def test_nothing_is_said_of_a_version_that_passed() -> None:
    assert failed_gates(manifest(judged(f1=0.95, ece=0.01))) == []


def test_each_failed_gate_is_a_sentence() -> None:
    assert failed_gates(manifest(judged(f1=0.85))) == [
        "f1 is 0.85, and at least 0.9 is wanted.",
        "ece was not measured, and at most 0.02 is wanted.",
    ]


def test_a_version_without_gates_has_not_passed() -> None:
    assert failed_gates(manifest([])) == ["toy/1.0.0 was never gated."]


@pytest.mark.parametrize("gate", [{}, {"passed": "yes"}, {"passed": 1}, "f1", None])
def test_a_gate_that_does_not_say_it_passed_has_not(gate: Any) -> None:
    (sentence,) = failed_gates(manifest([gate]))
    assert "neither" in sentence
