"""What a version's gates said, as a person reads it, and the refusal of one that failed them."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Any

from rich.table import Table
from rich.text import Text

from plumbline.cli.output.console import columns, shown
from plumbline.errors import GatesFailed
from scoring.artifact.gates import failed_gates
from scoring.artifact.manifest import Manifest

SENTENCES_SHOWN = 3


class Verdict(StrEnum):
    """Of a whole version PASSED, FAILED or NONE; of a single gate not NONE, but SKIPPED too."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"
    NONE = "none"

    def shown(self) -> Text:
        styles = {Verdict.PASSED: "green", Verdict.FAILED: "red"}
        return Text(self.value, style=styles.get(self, "dim"))


def verdict(manifest: Manifest) -> Verdict:
    if not manifest.gates:
        return Verdict.NONE
    return Verdict.FAILED if failed_gates(manifest) else Verdict.PASSED


def refuse(model: str, failed: Sequence[str]) -> GatesFailed:
    """The error to raise for a version with these sentences about its gates."""
    told = "; ".join(sentence.rstrip(".") for sentence in failed[:SENTENCES_SHOWN])
    more = len(failed) - SENTENCES_SHOWN
    told += f"; and {more} more" if more > 0 else ""
    return GatesFailed(
        f"{model} does not serve, because of its gates: {told}. With --force it serves all the "
        "same, and the history says so."
    )


def gates_table(manifest: Manifest) -> Table:
    """One line a gate, those that failed in red."""
    table = columns("gate", "value", "bound", "")
    for column in table.columns[1:3]:
        column.justify = "right"
    for gate in manifest.gates:
        table.add_row(*gate_row(gate))
    return table


def gate_row(gate: Any) -> tuple[Text, Text, Text, Text]:
    """What one gate of a manifest says; whatever is not there stays empty."""
    said = gate if isinstance(gate, dict) else {"name": repr(gate)}
    bound = figure(said.get("bound"))
    if bound and "at_least" in said:
        bound = f"{'≥' if said['at_least'] else '≤'} {bound}"
    name = said.get("measure") or said.get("name") or "?"
    return shown(str(name)), Text(figure(said.get("value"))), Text(bound), of_one(said).shown()


def of_one(gate: dict[str, Any]) -> Verdict:
    if gate.get("passed") is not True:
        return Verdict.FAILED
    return Verdict.SKIPPED if gate.get("skipped") is True else Verdict.PASSED


def figure(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, int | float) else ""
