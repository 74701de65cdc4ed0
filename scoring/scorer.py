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
from scoring.runtime.cores import MAX_THREADS
from scoring.runtime.options import ALONE, RuntimeOptions
from scoring.runtime.protocol import Runtime
from scoring.score import Decision, Score, calibrated, decide, rank

# In tokens, including [CLS] and [SEP]. A shorter window takes one core for so little time that the
# other cores are left to other texts.
LONG_WINDOW = 128


class Scorer:
    """Scores texts one by one with one model version. Not thread-safe."""

    def __init__(
        self,
        artifact: Artifact,
        runtime: Runtime | None = None,
        max_chars: int = MAX_TEXT_CHARS,
        options: RuntimeOptions = ALONE,
    ) -> None:
        self.artifact = artifact
        self.name = artifact.name
        self._max_chars = max_chars
        self._free_cores = options.free_cores
        self._runtime = runtime or _litert_runtime(artifact, options)
        tokenizer = artifact.tokenizer
        self._unread_ids = unread_ids(
            tokenizer.vocabulary(), tokenizer.unknown_id, artifact.familiarity.seen
        )

    @classmethod
    def load(
        cls,
        folder: Path,
        trust: Trust = ANY,
        max_chars: int = MAX_TEXT_CHARS,
        options: RuntimeOptions = ALONE,
    ) -> Scorer:
        """Verify and load the version in `folder`. Raises ArtifactError."""
        return cls(Artifact.load(folder, trust), max_chars=max_chars, options=options)

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
        logits = self._logits([[tokens.ids[position] for position in w] for w in windows])
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
        return self._logits(self._windows(ids))

    def window_tokens(self, text: str) -> int:
        """Return the length of the model's longest input for a text; 0 if it cannot be scored."""
        try:
            tokens = self.artifact.tokenizer.encode(clean(text, self._max_chars).text)
        except TextRefused:
            return 0
        return min(len(tokens) + SPECIAL_TOKENS, self.artifact.config.max_tokens)

    def _windows(self, tokens: Sequence[int]) -> list[list[int]]:
        config = self.artifact.config
        return split_into_windows(tokens, config.max_tokens - SPECIAL_TOKENS, config.window_overlap)

    def _logits(self, windows: list[list[int]]) -> list[float]:
        inputs = [np.asarray(self.artifact.tokenizer.wrap(w), dtype=np.int32) for w in windows]
        threads = 1
        if len(inputs[0]) >= LONG_WINDOW:
            threads = min(self._free_cores(), MAX_THREADS)
        return [self._runtime.logit(token_ids, threads) for token_ids in inputs]


def _litert_runtime(artifact: Artifact, options: RuntimeOptions) -> Runtime:
    from scoring.runtime.litert import LiteRtRuntime

    return LiteRtRuntime(artifact.model_path, options.weights(artifact))
