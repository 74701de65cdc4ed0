"""Everything measured of a version before it may be promoted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from scoring.artifact.artifact import Artifact
from scoring.artifact.config import ScoringConfig
from scoring.artifact.registry import resolve
from scoring.runtime.litert import LiteRtRuntime
from scoring.scorer import Scorer
from training.data.examples import Example
from training.evaluation.calibration import CalibrationReport
from training.evaluation.gates import (
    Gate,
    GateResult,
    default_gates,
    evaluate_gates,
    gate_values,
    override_gates,
)
from training.evaluation.latency import measure_latency
from training.evaluation.metric_intervals import MetricIntervals, metric_intervals
from training.evaluation.metrics import (
    ConfusionMatrix,
    LengthRow,
    Metrics,
    Parity,
    compute_metrics,
    compute_parity,
    confusion_by_length,
    confusion_matrix,
)
from training.evaluation.predictions import PairedPredictions, Predictions, predict
from training.steps import step


@dataclass(frozen=True, slots=True)
class ComparedVersion:
    """An earlier version and its metrics on the same test split."""

    model: str
    metrics: Metrics


@dataclass(frozen=True, slots=True)
class Measurement:
    """Measured on the test split, except `validation`. `sizes` are in bytes, `latency_ms` is by
    token count.
    """

    int8: Metrics
    int8_intervals: MetricIntervals
    float32: Metrics
    float32_intervals: MetricIntervals
    validation: Metrics
    confusion: ConfusionMatrix
    by_length: list[LengthRow]
    parity: Parity
    calibration: CalibrationReport
    latency_ms: dict[int, float]
    sizes: dict[str, int]
    compared: ComparedVersion | None
    gates: list[GateResult]


def measure_version(
    artifact: Artifact,
    saved_model: Path,
    *,
    validation: Predictions,
    test: PairedPredictions,
    calibration: CalibrationReport,
    compared: ComparedVersion | None,
    gates: Sequence[Gate],
) -> Measurement:
    """Measure the version and evaluate the default gates; `gates` override them by measure."""
    config, truth = artifact.config, test.int8.labels
    served = _probabilities(test.int8, config)
    exact = _probabilities(test.float32, config)
    int8 = compute_metrics(truth, served)
    parity = compute_parity(served, exact, config.threshold)
    sizes = {"int8": artifact.model_path.stat().st_size, "saved_model": _size(saved_model)}
    with step("measure milliseconds per text"):
        latency_ms = measure_latency(LiteRtRuntime(artifact.model_path), config.max_tokens)
    values = gate_values(
        int8,
        parity,
        calibration.test_after,
        sizes,
        latency_ms,
        compared.metrics if compared else None,
    )
    effective_gates = override_gates(default_gates(len(truth), config.max_tokens), gates)
    return Measurement(
        int8=int8,
        int8_intervals=metric_intervals(truth, served),
        float32=compute_metrics(truth, exact),
        float32_intervals=metric_intervals(truth, exact),
        validation=compute_metrics(validation.labels, _probabilities(validation, config)),
        confusion=confusion_matrix(truth, served),
        by_length=confusion_by_length(truth, served, test.tokens),
        parity=parity,
        calibration=calibration,
        latency_ms=latency_ms,
        sizes=sizes,
        compared=compared,
        gates=evaluate_gates(values, effective_gates, compared.model if compared else None),
    )


def measure_compared_version(
    models_dir: Path, reference: str, test: Sequence[Example]
) -> ComparedVersion:
    """Measure an earlier version on the test texts; raises ArtifactError if it cannot be read."""
    scorer = Scorer.load(resolve(models_dir, reference))
    predictions = predict(scorer, test)
    probabilities = _probabilities(predictions, scorer.artifact.config)
    return ComparedVersion(scorer.name, compute_metrics(predictions.labels, probabilities))


def _probabilities(predictions: Predictions, config: ScoringConfig) -> list[float]:
    return predictions.probabilities(config.temperature, config.window_rule)


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
