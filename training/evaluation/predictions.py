"""What a made version says of the labelled texts, in int8 as it is served and in float32."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from scoring.artifact.artifact import Artifact
from scoring.artifact.config import ScoringConfig
from scoring.errors import ScoringError
from scoring.scorer import Scorer
from training.data.examples import Example
from training.evaluation.calibration import Answers


class SavedModelRuntime:
    """The SavedModel behind `scoring.runtime.protocol.Runtime`, so both are read by the same code."""

    def __init__(self, folder: Path) -> None:
        # Its variables live only as long as this name does.
        self._loaded = tf.saved_model.load(str(folder))
        self._serve: Any = self._loaded.signatures["serving_default"]

    def logit(self, token_ids: NDArray[np.int32]) -> float:
        logit = float(self._serve(token_ids=tf.constant(token_ids[None]))["logit"][0, 0])
        if not np.isfinite(logit):
            raise ScoringError(f"The SavedModel's answer is {logit}, which is no probability.")
        return logit


@dataclass(frozen=True, slots=True)
class SplitAnswers:
    """One split: `served` answers of the int8 model, `exact` of the SavedModel, token counts."""

    served: Answers
    exact: Answers
    tokens: list[int]


def ask(scorer: Scorer, examples: Sequence[Example]) -> Answers:
    return Answers(
        [example.label for example in examples],
        [scorer.window_logits(example.text) for example in examples],
    )


def ask_both(artifact: Artifact, saved_model: Path, examples: Sequence[Example]) -> SplitAnswers:
    exact = Scorer(artifact, SavedModelRuntime(saved_model))
    return SplitAnswers(
        ask(Scorer(artifact), examples),
        ask(exact, examples),
        [len(artifact.tokenizer.encode(example.text)) for example in examples],
    )


def probabilities(answers: Answers, config: ScoringConfig) -> list[float]:
    return answers.probabilities(config.temperature, config.window_rule)
