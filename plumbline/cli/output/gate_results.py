"""The gate results in a version's manifest, and the error for a version that failed its gates."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Any

from rich.table import Table
from rich.text import Text

from plumbline.cli.output.console import column_table, printable_text
from plumbline.errors import GatesFailed
from scoring.artifact.gates import failed_gates
from scoring.artifact.manifest import Manifest

MAX_SENTENCES = 3


class GateStatus(StrEnum):
    """A single gate is PASSED, FAILED or SKIPPED; a whole version PASSED, FAILED or NONE."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"
    NONE = "none"

    def colored(self) -> Text:
        styles = {GateStatus.PASSED: "green", GateStatus.FAILED: "red"}
        return Text(self.value, style=styles.get(self, "dim"))


def version_status(manifest: Manifest) -> GateStatus:
    if not manifest.gates:
        return GateStatus.NONE
    return GateStatus.FAILED if failed_gates(manifest) else GateStatus.PASSED


def gates_failed(model: str, failures: Sequence[str]) -> GatesFailed:
    """Build the error for a version with these failed gates, one sentence each."""
    reasons = "; ".join(sentence.rstrip(".") for sentence in failures[:MAX_SENTENCES])
    more = len(failures) - MAX_SENTENCES
    reasons += f"; and {more} more" if more > 0 else ""
    return GatesFailed(
        f"{model} is not deployed because of its gates: {reasons}. Use --force to deploy it "
        "anyway; the history records that."
    )


def gates_table(manifest: Manifest) -> Table:
    """One row per gate."""
    table = column_table("gate", "value", "bound", "")
    for column in table.columns[1:3]:
        column.justify = "right"
    for gate in manifest.gates:
        table.add_row(*gate_row(gate))
    return table


def gate_row(gate: Any) -> tuple[Text, Text, Text, Text]:
    """Return the cells of one gate of a manifest; missing or invalid values stay empty."""
    values = gate if isinstance(gate, dict) else {"name": repr(gate)}
    bound = format_value(values.get("bound"))
    if bound and "at_least" in values:
        bound = f"{'≥' if values['at_least'] else '≤'} {bound}"
    name = values.get("measure") or values.get("name") or "?"
    if subject := values.get("subject"):
        name = f"{name} of {subject}"
    value = format_value(values.get("value"))
    return printable_text(str(name)), Text(value), Text(bound), gate_status(values).colored()


def gate_status(gate: dict[str, Any]) -> GateStatus:
    if gate.get("passed") is not True:
        return GateStatus.FAILED
    return GateStatus.SKIPPED if gate.get("skipped") is True else GateStatus.PASSED


def format_value(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, int | float) else ""
