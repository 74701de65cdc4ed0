"""What the model card promises holds for the shipped model, as it is served."""

from pathlib import Path

import pytest

from scoring.scorer import Scorer
from tests.paths import SHIPPED
from training.data.examples import TEST, read, unique
from training.evaluation.metrics import Metrics, measure

pytestmark = pytest.mark.data

FLOORS = {"accuracy": 0.985, "precision": 0.95, "recall": 0.92, "f1": 0.95}


@pytest.fixture(scope="module")
def scorer() -> Scorer:
    return Scorer.load(SHIPPED)


@pytest.fixture(scope="module")
def figures(scorer: Scorer, shared_data: Path) -> Metrics:
    examples = read(shared_data / "sms_spam" / "data.csv.gz")
    test = unique(example for example in examples if example.split == TEST)
    return measure(
        [example.label for example in test],
        [scorer.score(example.text).probability for example in test],
    )


@pytest.mark.parametrize("measure", FLOORS)
def test_the_floors_hold_on_the_test_split(figures: Metrics, measure: str) -> None:
    assert getattr(figures, measure) >= FLOORS[measure]


def test_the_figures_are_those_of_the_manifest(scorer: Scorer, figures: Metrics) -> None:
    """Kernels differ between machines, so one borderline text may fall on the other side."""
    promised = scorer.artifact.manifest.metrics["int8"]
    assert (figures.rows, figures.positives) == (promised["rows"], promised["positives"])
    assert abs(figures.accuracy - promised["accuracy"]) * figures.rows < 1.5
    assert figures.auc == pytest.approx(promised["auc"], abs=1e-3)
