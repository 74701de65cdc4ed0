"""Whether a version passed the gates that were evaluated when it was trained."""

from __future__ import annotations

from typing import Any

from scoring.artifact.manifest import Manifest


def failed_gates(manifest: Manifest) -> list[str]:
    """Return one sentence per gate that did not pass; an empty list if the version may serve.

    A version without gates has never been evaluated, which counts as a failure.
    """
    if not manifest.gates:
        return [f"{manifest.name}/{manifest.version} was never gated."]
    return [_sentence(gate) for gate in manifest.gates if not _passed(gate)]


def _passed(gate: Any) -> bool:
    return isinstance(gate, dict) and gate.get("passed") is True


def _sentence(gate: Any) -> str:
    sentence = gate.get("sentence") if isinstance(gate, dict) else None
    return str(sentence or f"A gate in the manifest has neither passed nor a reason: {gate!r}.")
