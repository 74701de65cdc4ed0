import pytest

from monitoring.quality.realized import (
    ConfusionCounts,
    LabelledSource,
    RealizedMetric,
    Share,
    f1,
    realized_metrics,
)
from scoring.intervals import wilson
from storage.states import Metric


def share(hits: int, rows: int) -> Share:
    return Share(hits, rows, rows)


def only(counts: ConfusionCounts, rows: int = 1_000) -> list[LabelledSource]:
    return [LabelledSource(rows, counts)]


def test_metrics_follow_from_the_counts() -> None:
    metrics = realized_metrics(only(ConfusionCounts(tp=30, fp=10, fn=20, tn=140)))
    assert metrics[Metric.ACCURACY] == share(170, 200).with_interval()
    assert metrics[Metric.PRECISION] == share(30, 40).with_interval()
    assert metrics[Metric.RECALL] == share(30, 50).with_interval()
    assert metrics[Metric.F1] is not None
    assert metrics[Metric.F1].value == pytest.approx(60 / 90)


def test_share_has_wilsons_interval() -> None:
    bounds = wilson(3, 4)
    assert share(3, 4).with_interval() == RealizedMetric(0.75, bounds.low, bounds.high)


def test_bounds_of_f1_follow_from_those_of_jaccard() -> None:
    bounds, metric = wilson(30, 60), f1(share(30, 60))
    assert metric is not None
    assert metric.low == pytest.approx(2 * bounds.low / (1 + bounds.low))
    assert metric.high == pytest.approx(2 * bounds.high / (1 + bounds.high))
    assert metric.low < metric.value < metric.high


def test_f1_without_errors_still_has_an_interval() -> None:
    metric = f1(share(20, 20))
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
    metrics = realized_metrics(only(counts))
    assert {metric for metric, value in metrics.items() if value is None} == missing


def test_sources_count_by_their_texts_and_not_by_their_labels() -> None:
    """900 texts of which 10 are labelled, all right; 100 of which 90 are labelled, half right."""
    large = LabelledSource(900, ConfusionCounts(tp=5, fp=0, fn=0, tn=5))
    small = LabelledSource(100, ConfusionCounts(tp=45, fp=45, fn=0, tn=0))
    metrics = realized_metrics([large, small])
    accuracy, precision = metrics[Metric.ACCURACY], metrics[Metric.PRECISION]
    assert accuracy is not None and precision is not None
    assert accuracy.value == pytest.approx(0.9 * 1.0 + 0.1 * 0.5)
    assert precision.value == pytest.approx(500 / 550)
    alone = realized_metrics([large])[Metric.ACCURACY]
    assert alone is not None
    assert accuracy.high - accuracy.low > 0.8 * (alone.high - alone.low), "10 labels are for 900"


def test_source_without_labels_changes_nothing() -> None:
    labelled = LabelledSource(50, ConfusionCounts(3, 1, 1, 5))
    unlabelled = LabelledSource(950, ConfusionCounts(0, 0, 0, 0))
    assert realized_metrics([labelled, unlabelled]) == realized_metrics([labelled])
