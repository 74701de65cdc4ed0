"""Scores one text, from cleaning to decision."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from time import perf_counter

import numpy as np

from plumbline_client.defaults import MAX_TEXT_CHARS
from plumbline_client.errors import TextRefused
from plumbline_client.text import clean
from scoring.artifact.artifact import ANY, Artifact
from scoring.artifact.config import SPECIAL_TOKENS
from scoring.artifact.trust import Trust
from scoring.input.coverage import unread_ids, unread_notes
from scoring.input.features import plain_features
from scoring.input.windows import combine, split_into_windows
from scoring.runtime.protocol import Runtime
from scoring.score import Decision, Score, calibrated, decide, rank


class Scorer:
    """Scores texts one by one with one model version. Not thread-safe."""

    def __init__(
        self, artifact: Artifact, runtime: Runtime | None = None, max_chars: int = MAX_TEXT_CHARS
    ) -> None:
        self.artifact = artifact
        self.name = artifact.name
        self._max_chars = max_chars
        self._runtime = runtime or _litert_runtime(artifact)
        tokenizer = artifact.tokenizer
        self._unread_ids = unread_ids(
            tokenizer.vocabulary(), tokenizer.unknown_id, artifact.familiarity.seen
        )

    @classmethod
    def load(cls, folder: Path, trust: Trust = ANY, max_chars: int = MAX_TEXT_CHARS) -> Scorer:
        """Verify and load the version in `folder`. Raises ArtifactError."""
        return cls(Artifact.load(folder, trust), max_chars=max_chars)

    def warm_up(self) -> None:
        """Run the model once, so that the first real text does not wait for its initialization."""
        self.window_logits("ready")

    def score(self, text: str) -> Score:
        """Score one text.

        The decision is `review` if the model does not read enough of the text, whatever its
        confidence. Raises TextRefused if the text cannot be scored, ScoringError if the model
        fails.
        """
        cleaned = clean(text, self._max_chars)
        config, tokenizer = self.artifact.config, self.artifact.tokenizer
        started = perf_counter()
        tokens = tokenizer.tokens(cleaned.text)
        if not tokens.ids:
            raise TextRefused("the text contains nothing that the model can read")
        windows = self._windows(range(len(tokens.ids)))
        unread = unread_notes(cleaned.text, tokens, self._unread_ids, windows)
        tokenized = perf_counter()
        logits = [self._logit([tokens.ids[position] for position in w]) for w in windows]
        probability = combine(
            [calibrated(logit, config.temperature, config.bias) for logit in logits],
            config.window_rule,
        )
        inferred = perf_counter()
        label, confidence, decision = decide(probability, config.rule)
        return Score(
            probability=probability,
            label=label,
            confidence=confidence,
            decision=Decision.REVIEW if unread else decision,
            ranked=rank(probability, config.rule),
            tokens=len(tokens.ids),
            windows=len(windows),
            window_rule=config.window_rule,
            tokenize_ms=1000.0 * (tokenized - started),
            infer_ms=1000.0 * (inferred - tokenized),
            features=plain_features(cleaned.text, tokens.ids, tokenizer.unknown_id)
            | self.artifact.familiarity.features(cleaned.text, tokens.ids),
            notes=cleaned.notes + unread,
            model=self.name,
        )

    def window_logits(self, text: str) -> list[float]:
        """Return the model's logit of each window, without temperature and bias.

        Raises like `score`, but not for a text without tokens: it is one empty window.
        """
        cleaned = clean(text, self._max_chars)
        ids = self.artifact.tokenizer.encode(cleaned.text)
        return [self._logit(window) for window in self._windows(ids)]

    def _windows(self, tokens: Sequence[int]) -> list[list[int]]:
        config = self.artifact.config
        return split_into_windows(tokens, config.max_tokens - SPECIAL_TOKENS, config.window_overlap)

    def _logit(self, window: list[int]) -> float:
        token_ids = np.asarray(self.artifact.tokenizer.wrap(window), dtype=np.int32)
        return self._runtime.logit(token_ids)


def _litert_runtime(artifact: Artifact) -> Runtime:
    from scoring.runtime.litert import LiteRtRuntime

    return LiteRtRuntime(artifact.model_path)
