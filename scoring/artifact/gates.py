"""Whether a version passed the gates it was held against when it was made."""

from __future__ import annotations

from typing import Any

from scoring.artifact.manifest import Manifest


def failed_gates(manifest: Manifest) -> list[str]:
    """A sentence for each gate that was not passed; none is left for a version that may serve.

    A version without gates was never held against any, and that is a failure too.
    """
    if not manifest.gates:
        return [f"{manifest.name}/{manifest.version} was never gated."]
    return [_sentence(gate) for gate in manifest.gates if not _passed(gate)]


def _passed(gate: Any) -> bool:
    return isinstance(gate, dict) and gate.get("passed") is True


def _sentence(gate: Any) -> str:
    sentence = gate.get("sentence") if isinstance(gate, dict) else None
    return str(sentence or f"A gate in the manifest says neither how it went nor why: {gate!r}.")
