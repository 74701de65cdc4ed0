"""One text to one Score, start to end."""

from __future__ import annotations

from pathlib import Path
from time import perf_counter

import numpy as np

from plumbline_client.text import MAX_CHARS, clean
from scoring.artifact.artifact import Artifact
from scoring.artifact.config import SPECIAL_TOKENS
from scoring.input.features import describe
from scoring.input.windows import combine, windows
from scoring.runtime.protocol import Runtime
from scoring.score import Score, decide, rank, sigmoid


class Scorer:
    """Scores texts one by one with one model version. Not safe for threads."""

    def __init__(
        self, artifact: Artifact, runtime: Runtime | None = None, max_chars: int = MAX_CHARS
    ) -> None:
        self.artifact = artifact
        self.name = artifact.name
        self._max_chars = max_chars
        self._runtime = runtime or _litert(artifact)

    @classmethod
    def load(cls, folder: Path, max_chars: int = MAX_CHARS) -> Scorer:
        """Verify and load the version in `folder`; raises ArtifactError."""
        return cls(Artifact.load(folder), max_chars=max_chars)

    def warm_up(self) -> None:
        """Score once, so that the first real text does not pay for the first run."""
        self.score("ready")

    def score(self, text: str) -> Score:
        """Score one text. Raises TextRefused for one that cannot be, ScoringError if it fails."""
        cleaned = clean(text, self._max_chars)
        config, tokenizer = self.artifact.config, self.artifact.tokenizer
        started = perf_counter()
        ids = tokenizer.encode(cleaned.text)
        pieces = self._windows(ids)
        tokenized = perf_counter()
        logits = [self._logit(piece) for piece in pieces]
        probability = combine(
            [sigmoid(logit / config.temperature) for logit in logits], config.window_rule
        )
        done = perf_counter()
        label, confidence, decision = decide(probability, config.rule)
        return Score(
            probability=probability,
            label=label,
            confidence=confidence,
            decision=decision,
            ranked=rank(probability, config.rule),
            tokens=len(ids),
            windows=len(pieces),
            window_rule=config.window_rule,
            tokenize_ms=1000.0 * (tokenized - started),
            infer_ms=1000.0 * (done - tokenized),
            features=describe(cleaned.text, ids, tokenizer.unknown_id)
            | self.artifact.familiarity.describe(cleaned.text, ids),
            notes=cleaned.notes,
            model=self.name,
        )

    def window_logits(self, text: str) -> list[float]:
        """The model's own logit for each window, before the temperature. Raises as `score` does."""
        cleaned = clean(text, self._max_chars)
        ids = self.artifact.tokenizer.encode(cleaned.text)
        return [self._logit(piece) for piece in self._windows(ids)]

    def _windows(self, ids: list[int]) -> list[list[int]]:
        config = self.artifact.config
        return windows(ids, config.max_tokens - SPECIAL_TOKENS, config.window_overlap)

    def _logit(self, piece: list[int]) -> float:
        token_ids = np.asarray(self.artifact.tokenizer.wrap(piece), dtype=np.int32)
        return self._runtime.logit(token_ids)


def _litert(artifact: Artifact) -> Runtime:
    from scoring.runtime.litert import LiteRtRuntime

    return LiteRtRuntime(artifact.model_path)
