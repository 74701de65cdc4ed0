import pytest

from monitoring.quality.realized import Confusion, Realized, f1, realized, share
from scoring.intervals import wilson
from storage.tables import Metric


def test_each_metric_has_wilsons_interval() -> None:
    found = realized(Confusion(tp=30, fp=10, fn=20, tn=140))
    assert found[Metric.ACCURACY] == share(170, 200)
    assert found[Metric.PRECISION] == share(30, 40)
    assert found[Metric.RECALL] == share(30, 50)
    assert found[Metric.F1] is not None
    assert found[Metric.F1].value == pytest.approx(60 / 90)


def test_a_share_is_told_with_its_bounds() -> None:
    bounds = wilson(3, 4)
    assert share(3, 4) == Realized(0.75, bounds.low, bounds.high)


def test_the_bounds_of_f1_are_those_of_jaccard() -> None:
    bounds, found = wilson(30, 60), f1(30, 60)
    assert found is not None
    assert found.low == pytest.approx(2 * bounds.low / (1 + bounds.low))
    assert found.high == pytest.approx(2 * bounds.high / (1 + bounds.high))
    assert found.low < found.value < found.high


def test_where_nothing_is_wrong_f1_still_has_a_width() -> None:
    found = f1(20, 20)
    assert found is not None
    assert found.value == found.high == 1.0
    assert found.low == pytest.approx(0.912, abs=1e-3)


@pytest.mark.parametrize(
    ("counts", "missing"),
    [
        (Confusion(0, 0, 0, 0), set(Metric)),
        (Confusion(0, 0, 0, 5), {Metric.PRECISION, Metric.RECALL, Metric.F1}),
        (Confusion(0, 0, 5, 0), {Metric.PRECISION}),
        (Confusion(0, 5, 0, 0), {Metric.RECALL}),
    ],
)
def test_a_metric_without_denominator_is_none(counts: Confusion, missing: set[Metric]) -> None:
    assert {metric for metric, value in realized(counts).items() if value is None} == missing
