"""The gates of each data file and each source, against the version before."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from training.evaluation.gates import (
    FILE_DROP,
    GROUP_MEASURES,
    NEW_SOURCE_GAIN,
    SOURCE_DROP,
    Gate,
    GateResult,
)
from training.evaluation.group_comparison import MIN_ERRORS_TO_IMPROVE, Group, GroupKind

DROPS = {GroupKind.FILE: FILE_DROP, GroupKind.SOURCE: SOURCE_DROP}


def evaluate_group_gates(
    groups: Iterable[Group], gates: Sequence[Gate], compared: str | None
) -> list[GateResult]:
    """Evaluate the gates about groups for each group by itself.

    No group may certainly be worse than before by more than the bound, and a new source has to be
    better, because the version was trained for it. A gate is skipped if there is no version to
    compare with, or if that version has too few errors on the new source to improve on.
    """
    by_measure = {gate.measure: gate for gate in gates if gate.measure in GROUP_MEASURES}
    results = []
    for group in groups:
        if (drop := by_measure.get(DROPS[group.kind])) is not None:
            results.append(_drop(drop, group, compared))
        if group.new and (gain := by_measure.get(NEW_SOURCE_GAIN)) is not None:
            results.append(_gain(gain, group, compared))
    return results


def _drop(gate: Gate, group: Group, compared: str | None) -> GateResult:
    if group.difference is None or group.compared is None:
        return _skipped(gate, group, "there is no earlier version to compare with")
    value = group.difference.drop
    measured = f"is at least {value:.4g}" if value else "is not more than chance"
    return _result(gate, group, value, measured, compared)


def _gain(gate: Gate, group: Group, compared: str | None) -> GateResult:
    if group.difference is None or group.compared is None:
        return _skipped(gate, group, "there is no earlier version to compare with")
    if group.compared.errors < MIN_ERRORS_TO_IMPROVE:
        errors = f"{group.compared.errors} {'error' if group.compared.errors == 1 else 'errors'}"
        reason = f"{compared} makes {errors} there, too few to improve on"
        return _skipped(gate, group, reason)
    value = group.difference.gain
    return _result(gate, group, value, f"is {value:.4g}", compared)


def _result(
    gate: Gate, group: Group, value: float, measured: str, compared: str | None
) -> GateResult:
    assert group.compared is not None
    bound = f"{'at least' if gate.at_least else 'at most'} {gate.bound:.6g}"
    return GateResult(
        name=_name(gate, group),
        measure=gate.measure,
        value=value,
        bound=gate.bound,
        at_least=gate.at_least,
        passed=gate.holds(value),
        skipped=False,
        sentence=(
            f"{gate.measure} of the {group.kind} {group.title} {measured} (accuracy "
            f"{group.compared.accuracy:.4f} with {compared}, {group.served.accuracy:.4f} now, on "
            f"{group.rows} texts); the gate requires {bound}."
        ),
        subject=group.title,
    )


def _skipped(gate: Gate, group: Group, reason: str) -> GateResult:
    return GateResult(
        name=_name(gate, group),
        measure=gate.measure,
        value=None,
        bound=gate.bound,
        at_least=gate.at_least,
        passed=True,
        skipped=True,
        sentence=f"{gate.measure} of the {group.kind} {group.title} was skipped: {reason}.",
        subject=group.title,
    )


def _name(gate: Gate, group: Group) -> str:
    return f"{gate.measure} of {group.title} {'>=' if gate.at_least else '<='} {gate.bound:.6g}"
