"""The measurement of a version, in which every number occurs once."""

from __future__ import annotations

from scoring.intervals import Interval
from training.evaluation.baselines import BaselineResult
from training.evaluation.calibration import CalibrationReport, Reliability, ThresholdRow
from training.evaluation.gates import Gate, evaluate_gates
from training.evaluation.measurement import Measurement
from training.evaluation.metric_intervals import MetricIntervals
from training.evaluation.metrics import ConfusionMatrix, LengthRow, Metrics, Parity
from training.evaluation.worst_errors import WorstError


def intervals(first: int) -> MetricIntervals:
    """Eight intervals of sixteen numbers that occur nowhere else."""
    ends = [first / 10_000 + step / 10_000 for step in range(16)]
    return MetricIntervals(*(Interval(*ends[n : n + 2]) for n in range(0, 16, 2)))


def reliability(rows: int) -> Reliability:
    return Reliability(rows, ece=rows / 9e4, brier=rows / 8e4, log_loss=rows / 7e4, bins=[])


MEASURED = Measurement(
    int8=Metrics(737, 97, 0.9911, 0.9822, 0.9533, 0.9644, 0.9955, 0.9966, 0.9771, 0.9581),
    int8_intervals=intervals(7_110),
    float32=Metrics(737, 97, 0.9912, 0.9823, 0.9534, 0.9645, 0.9956, 0.9967, 0.9772, 0.9582),
    float32_intervals=intervals(7_210),
    validation=Metrics(718, 95, 0.9913, 0.9824, 0.9535, 0.9646, 0.9957, 0.9968, 0.9773, 0.9583),
    confusion=ConfusionMatrix(tp=92, fp=3, fn=5, tn=637),
    by_length=[
        LengthRow(0, 16, ConfusionMatrix(tp=31, fp=2, fn=4, tn=200)),
        LengthRow(513, None, ConfusionMatrix(tp=0, fp=0, fn=0, tn=11)),
    ],
    parity=Parity(largest_difference=0.0432, changed_decisions=0.0014, changed_reviews=0.0027),
    calibration=CalibrationReport(
        *(0.5884, "mean", *(reliability(rows) for rows in (718, 719, 736, 737))),
        [
            ThresholdRow(0.5, 1.0, 0, 0.9751, 0.9752, 0.9753),
            ThresholdRow(0.7, 0.987, 9, 0.9851, 0.9852, 0.9853),
            ThresholdRow(0.99, 0.0, 718, None, None, None),
        ],
    ),
    latency_ms={16: 3.21, 512: 110.43},
    sizes={"int8": 22_700_000, "saved_model": 90_800_000},
    compared=None,
    gates=evaluate_gates(
        {"f1": 0.9644, "ece": 0.0345}, [Gate("f1", 0.9, True), Gate("ece", 0.03, False)], "toy"
    ),
    baselines=[
        BaselineResult(
            "majority",
            Metrics(737, 97, 0.8684, 0.0, 0.0, 0.0, 0.5, 1.0, 0.5, 0.0),
            *(0.1227, Interval(0.0981, 0.1471), 0.0),
        ),
        BaselineResult(
            "TF-IDF",
            Metrics(737, 97, 0.9891, 0.9785, 0.9381, 0.9579, 0.9937, 0.9969, 0.9675, 0.9519),
            *(0.0020, Interval(-0.0052, 0.0093), 1.24),
        ),
    ],
    groups=[],
    worst_errors=[WorstError(1, 0.9871, "toy.jsonl", 512, "shop", "0123456789ab", None)],
)
