from typing import Any

import pytest

from plumbline.cli.output.gate_results import Verdict, gate_row, refuse, verdict
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


def test_a_version_has_passed_failed_or_was_never_gated() -> None:
    assert verdict(manifest(*PASSED)) is Verdict.PASSED
    assert verdict(manifest(*FAILED)) is Verdict.FAILED
    assert verdict(manifest()) is Verdict.NONE


def test_a_refusal_names_the_gates_and_the_way_round_them() -> None:
    assert str(refuse("m/1.0.0", ["f1 is 0.85, and at least 0.9 is wanted."])) == (
        "m/1.0.0 does not serve, because of its gates: f1 is 0.85, and at least 0.9 is wanted. "
        "With --force it serves all the same, and the history says so."
    )


def test_a_refusal_for_many_gates_names_the_first_and_counts_the_rest() -> None:
    sentence = str(refuse("m/1.0.0", [f"gate {n} failed." for n in range(5)]))
    assert "gate 0 failed; gate 1 failed; gate 2 failed; and 2 more. With --force" in sentence
    assert "and" not in str(refuse("m/1.0.0", ["gate 0 failed."] * 3)).partition("With")[0]


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (gate("f1", 0.95, 0.9), ["f1", "0.95", "≥ 0.9", "passed"]),
        (gate("f1", 0.85, 0.9), ["f1", "0.85", "≥ 0.9", "failed"]),
        (gate("ece", 0.01, 0.02, at_least=False, passed=True), ["ece", "0.01", "≤ 0.02", "passed"]),
        (gate("f1", None, 0.9), ["f1", "", "≥ 0.9", "failed"]),
        (PASSED[1], ["f1_drop", "", "≥ 0.01", "skipped"]),
        ({"passed": "yes", "skipped": True}, ["?", "", "", "failed"]),
        ({"name": "\x1b[31m", "value": "much"}, ["\\x1b[31m", "", "", "failed"]),
        ("f1", ["'f1'", "", "", "failed"]),
    ],
)
def test_a_gate_is_a_line_whatever_the_manifest_says(said: Any, expected: list[str]) -> None:
    assert [cell.plain for cell in gate_row(said)] == expected
