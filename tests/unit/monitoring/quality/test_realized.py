import pytest

from monitoring.quality.realized import (
    ConfusionCounts,
    RealizedMetric,
    f1,
    realized_metrics,
    share,
)
from scoring.intervals import wilson
from storage.tables import Metric


def test_metrics_follow_from_the_counts() -> None:
    metrics = realized_metrics(ConfusionCounts(tp=30, fp=10, fn=20, tn=140))
    assert metrics[Metric.ACCURACY] == share(170, 200)
    assert metrics[Metric.PRECISION] == share(30, 40)
    assert metrics[Metric.RECALL] == share(30, 50)
    assert metrics[Metric.F1] is not None
    assert metrics[Metric.F1].value == pytest.approx(60 / 90)


def test_share_has_wilsons_interval() -> None:
    bounds = wilson(3, 4)
    assert share(3, 4) == RealizedMetric(0.75, bounds.low, bounds.high)


def test_bounds_of_f1_follow_from_those_of_jaccard() -> None:
    bounds, metric = wilson(30, 60), f1(30, 60)
    assert metric is not None
    assert metric.low == pytest.approx(2 * bounds.low / (1 + bounds.low))
    assert metric.high == pytest.approx(2 * bounds.high / (1 + bounds.high))
    assert metric.low < metric.value < metric.high


def test_f1_without_errors_still_has_an_interval() -> None:
    metric = f1(20, 20)
    assert metric is not None
    assert metric.value == metric.high == 1.0
    assert metric.low == pytest.approx(0.912, abs=1e-3)


@pytest.mark.parametrize(
    ("counts", "missing"),
    [
        (ConfusionCounts(0, 0, 0, 0), set(Metric)),
        (ConfusionCounts(0, 0, 0, 5), {Metric.PRECISION, Metric.RECALL, Metric.F1}),
        (ConfusionCounts(0, 0, 5, 0), {Metric.PRECISION}),
        (ConfusionCounts(0, 5, 0, 0), {Metric.RECALL}),
    ],
)
def test_metric_without_a_denominator_is_none(
    counts: ConfusionCounts, missing: set[Metric]
) -> None:
    metrics = realized_metrics(counts)
    assert {metric for metric, value in metrics.items() if value is None} == missing
