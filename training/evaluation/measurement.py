"""Everything that is measured of a made version before anybody may promote it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from scoring.artifact.artifact import Artifact
from scoring.artifact.registry import resolve
from scoring.runtime.litert import LiteRtRuntime
from scoring.scorer import Scorer
from training.data.examples import Example
from training.evaluation.calibration import Answers, Calibration
from training.evaluation.gates import Gate, GateResult, default_gates, judge, measured, override
from training.evaluation.intervals import Intervals, intervals
from training.evaluation.latency import latency
from training.evaluation.metrics import (
    Confusion,
    LengthRow,
    Metrics,
    Parity,
    by_length,
    compare,
    confusion,
)
from training.evaluation.metrics import measure as metrics
from training.evaluation.predictions import SplitAnswers, ask, probabilities


@dataclass(frozen=True, slots=True)
class Compared:
    """An earlier version on the same test split."""

    model: str
    metrics: Metrics


@dataclass(frozen=True, slots=True)
class Measurement:
    """On the test split, but for `validation`. `sizes` in bytes, `latency_ms` by token count."""

    int8: Metrics
    int8_intervals: Intervals
    float32: Metrics
    float32_intervals: Intervals
    validation: Metrics
    confusion: Confusion
    by_length: list[LengthRow]
    parity: Parity
    calibration: Calibration
    latency_ms: dict[int, float]
    sizes: dict[str, int]
    compared: Compared | None
    gates: list[GateResult]


def measure(
    artifact: Artifact,
    saved_model: Path,
    *,
    validation: Answers,
    test: SplitAnswers,
    calibration: Calibration,
    compared: Compared | None,
    gates: Sequence[Gate],
) -> Measurement:
    """Hold the version against the default gates; `gates` take the place of those they name."""
    config, truth = artifact.config, test.served.labels
    served = probabilities(test.served, config)
    exact = probabilities(test.exact, config)
    int8 = metrics(truth, served)
    parity = compare(served, exact, config.threshold)
    sizes = {"int8": artifact.model_path.stat().st_size, "saved_model": _size(saved_model)}
    latency_ms = latency(LiteRtRuntime(artifact.model_path), config.max_tokens)
    found = measured(
        int8,
        parity,
        calibration.test_after,
        sizes,
        latency_ms,
        compared.metrics if compared else None,
    )
    asked = override(default_gates(len(truth), config.max_tokens), gates)
    return Measurement(
        int8=int8,
        int8_intervals=intervals(truth, served),
        float32=metrics(truth, exact),
        float32_intervals=intervals(truth, exact),
        validation=metrics(validation.labels, probabilities(validation, config)),
        confusion=confusion(truth, served),
        by_length=by_length(truth, served, test.tokens),
        parity=parity,
        calibration=calibration,
        latency_ms=latency_ms,
        sizes=sizes,
        compared=compared,
        gates=judge(found, asked, compared.model if compared else None),
    )


def compare_with(models_dir: Path, wanted: str, test: Sequence[Example]) -> Compared:
    """Ask the earlier version the same test texts; raises ArtifactError where it cannot be read."""
    scorer = Scorer.load(resolve(models_dir, wanted))
    answers = ask(scorer, test)
    return Compared(
        scorer.name, metrics(answers.labels, probabilities(answers, scorer.artifact.config))
    )


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
