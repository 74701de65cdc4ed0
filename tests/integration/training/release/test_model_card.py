"""The figures in the shipped model card are reproduced by the served model."""

from pathlib import Path

import pytest

from scoring.scorer import Scorer
from tests.paths import SHIPPED
from training.data.examples import TEST, read_examples
from training.data.splits import unique
from training.evaluation.metrics import Metrics, compute_metrics

pytestmark = pytest.mark.data

MINIMUM = {"accuracy": 0.985, "precision": 0.95, "recall": 0.92, "f1": 0.95}


@pytest.fixture(scope="module")
def scorer() -> Scorer:
    return Scorer.load(SHIPPED)


@pytest.fixture(scope="module")
def metrics(scorer: Scorer, shared_data: Path) -> Metrics:
    examples = read_examples(shared_data / "sms_spam" / "data.csv.gz")
    test = unique(example for example in examples if example.split == TEST)
    return compute_metrics(
        [example.label for example in test],
        [scorer.score(example.text).probability for example in test],
    )


@pytest.mark.parametrize("measure", MINIMUM)
def test_metric_reaches_its_minimum_on_the_test_split(metrics: Metrics, measure: str) -> None:
    assert getattr(metrics, measure) >= MINIMUM[measure]


def test_metrics_equal_those_of_the_manifest(scorer: Scorer, metrics: Metrics) -> None:
    """Kernels differ between machines, so one borderline text may be decided differently."""
    stored = scorer.artifact.manifest.metrics["int8"]
    assert (metrics.rows, metrics.positives) == (stored["rows"], stored["positives"])
    assert abs(metrics.accuracy - stored["accuracy"]) * metrics.rows < 1.5
    assert metrics.auc == pytest.approx(stored["auc"], abs=1e-3)
