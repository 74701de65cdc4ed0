"""Text in, Score out. Knows nothing of queues, databases or training."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from plumbline_client.errors import TextRefused
    from scoring.artifact.artifact import Artifact
    from scoring.errors import ArtifactError, ScoringError
    from scoring.score import Decision, Score
    from scoring.scorer import Scorer

_HOMES = {
    "Artifact": "artifact",
    "ArtifactError": "errors",
    "Decision": "score",
    "Score": "score",
    "Scorer": "scorer",
    "ScoringError": "errors",
    "TextRefused": "errors",
}

__all__ = [
    "Artifact",
    "ArtifactError",
    "Decision",
    "Score",
    "Scorer",
    "ScoringError",
    "TextRefused",
]


def __getattr__(name: str) -> Any:
    """Load on demand: a client that only checks texts needs neither tokenizer nor runtime."""
    if name not in _HOMES:
        raise AttributeError(f"module 'scoring' has no attribute {name!r}")
    return getattr(import_module(f"scoring.{_HOMES[name]}"), name)
