"""The test texts that a version gets wrong with the highest confidence."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from training.data.examples import Example

# Per class.
MAX_ERRORS = 10


@dataclass(frozen=True, slots=True)
class WorstError:
    """One text with the label `label`, whose predicted label has `confidence`.

    `text_hash` is the start of the SHA-256 of the text. `text` is None unless texts are shown.
    """

    label: int
    confidence: float
    file: str
    line: int
    source: str
    text_hash: str
    text: str | None


def worst_errors(
    test: Sequence[Example], probabilities: Sequence[float], *, show_texts: bool = False
) -> list[WorstError]:
    """Return up to MAX_ERRORS errors of each class, the most confident first."""
    errors = []
    for label in (0, 1):
        wrong = [
            _error(example, probability, show_texts)
            for example, probability in zip(test, probabilities, strict=True)
            if example.label == label and (probability >= 0.5) != (label == 1)
        ]
        wrong.sort(key=lambda error: (-error.confidence, error.text_hash))
        errors += wrong[:MAX_ERRORS]
    return errors


def _error(example: Example, probability: float, show_texts: bool) -> WorstError:
    digest = hashlib.sha256(example.text.encode("utf-8", "surrogatepass")).hexdigest()
    return WorstError(
        label=example.label,
        confidence=max(probability, 1.0 - probability),
        file=example.file,
        line=example.line,
        source=example.source,
        text_hash=digest[:12],
        text=example.text if show_texts else None,
    )
