"""Everything measured of a version before it may be promoted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from scoring.artifact.artifact import Artifact
from scoring.artifact.config import ScoringConfig
from scoring.artifact.registry import resolve
from scoring.runtime.litert import LiteRtRuntime
from training.data.composition import known_sources
from training.data.examples import Example
from training.evaluation.baselines import BaselineResult, Baselines
from training.evaluation.calibration import CalibrationReport, chance_ece
from training.evaluation.gates import (
    Gate,
    GateResult,
    default_gates,
    evaluate_gates,
    gate_values,
    latency_limits,
    override_gates,
)
from training.evaluation.group_comparison import Answers, Group, compare_groups
from training.evaluation.group_gates import evaluate_group_gates
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
from training.evaluation.predictions import PairedPredictions, Predictions, predict, scorers_of
from training.evaluation.worst_errors import WorstError, worst_errors
from training.steps import step


@dataclass(frozen=True, slots=True)
class ComparedVersion:
    """An earlier version and its metrics on the same test split."""

    model: str
    metrics: Metrics


@dataclass(frozen=True, slots=True)
class ComparedAnswers:
    """What the earlier version answers on the test texts, and the sources it was trained on."""

    version: ComparedVersion
    probabilities: list[float]
    sources: frozenset[str]


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
    baselines: list[BaselineResult]
    groups: list[Group]
    worst_errors: list[WorstError]

    def for_manifest(self) -> dict[str, Any]:
        """Return the figures that the manifest keeps; no texts."""
        return {
            "int8": asdict(self.int8),
            "intervals": asdict(self.int8_intervals),
            "float32": asdict(self.float32),
            "validation": asdict(self.validation),
            "parity": asdict(self.parity),
            "ece": self.calibration.test_after.ece,
            "temperature": self.calibration.temperature,
            "bias": self.calibration.bias,
            "latency_ms": {str(length): ms for length, ms in self.latency_ms.items()},
            "sizes": self.sizes,
            "baselines": {baseline.name: asdict(baseline) for baseline in self.baselines},
            "groups": [asdict(group) for group in self.groups],
        }


def measure_version(
    artifact: Artifact,
    saved_model: Path,
    *,
    validation: Predictions,
    examples: Sequence[Example],
    test: PairedPredictions,
    baselines: Baselines,
    calibration: CalibrationReport,
    compared: ComparedAnswers | None,
    gates: Sequence[Gate],
    show_texts: bool = False,
) -> Measurement:
    """Measure the version and evaluate the default gates; `gates` override them by measure.

    `test` and `baselines` are the answers for `examples`, the texts of the test split.
    """
    config, truth = artifact.config, test.int8.labels
    served = _probabilities(test.int8, config)
    exact = _probabilities(test.float32, config)
    int8 = compute_metrics(truth, served)
    parity = compute_parity(served, exact, config.threshold)
    sizes = {"int8": artifact.model_path.stat().st_size, "saved_model": _size(saved_model)}
    defaults = default_gates(
        len(truth), len(truth) - int8.positives, chance_ece(served), config.max_tokens
    )
    effective_gates = override_gates(defaults, gates)
    with step("measure milliseconds per text"):
        latency_ms = measure_latency(
            LiteRtRuntime(artifact.model_path),
            config.max_tokens,
            limits_ms=latency_limits(effective_gates),
        )
    majority, tfidf = (BaselineResult.of(b, truth, served) for b in baselines)
    earlier = compared.version if compared else None
    groups = compare_groups(
        examples,
        Answers(served, baselines[1].probabilities, compared.probabilities if compared else None),
        compared.sources if compared else frozenset(),
    )
    values = gate_values(
        int8,
        majority.metrics,
        parity,
        calibration.test_after,
        sizes,
        latency_ms,
        earlier.metrics if earlier else None,
    )
    compared_name = earlier.model if earlier else None
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
        compared=earlier,
        gates=[
            *evaluate_gates(values, effective_gates, compared_name),
            *evaluate_group_gates(groups, effective_gates, compared_name),
        ],
        baselines=[majority, tfidf],
        groups=groups,
        worst_errors=worst_errors(examples, served, show_texts=show_texts),
    )


def measure_compared_version(
    models_dir: Path, reference: str, test: Sequence[Example]
) -> ComparedAnswers:
    """Measure an earlier version on the test texts; raises ArtifactError if it cannot be read."""
    artifact = Artifact.load(resolve(models_dir, reference))
    predictions = predict(scorers_of(artifact, len(test)), test)
    probabilities = _probabilities(predictions, artifact.config)
    return ComparedAnswers(
        ComparedVersion(artifact.name, compute_metrics(predictions.labels, probabilities)),
        probabilities,
        known_sources(artifact.manifest.data),
    )


def _probabilities(predictions: Predictions, config: ScoringConfig) -> list[float]:
    return predictions.probabilities(config.temperature, config.window_rule, config.bias)


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
