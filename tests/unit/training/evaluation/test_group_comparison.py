"""Groups against hand calculations, and the rule for a drop by simulation."""

import numpy as np
import pytest

from training.data.examples import Example
from training.evaluation.group_comparison import (
    MAX_GROUPS,
    Answers,
    Group,
    GroupKind,
    compare_groups,
    difference,
)


def texts_of(file: str, source: str, labels: list[int]) -> list[Example]:
    return [
        Example(f"{file} {source} {n}", label, "", source, file) for n, label in enumerate(labels)
    ]


def groups_of(
    test: list[Example], compared: list[float] | None = None, known: set[str] | None = None
) -> dict[tuple[str, str], Group]:
    served = [0.9 if example.label else 0.1 for example in test]
    answers = Answers(served, [0.1] * len(test), compared)
    groups = compare_groups(test, answers, known or set())
    return {(group.kind.value, group.name): group for group in groups}


def test_each_file_and_each_source_is_a_group() -> None:
    test = [
        *texts_of("a.csv", "", [1, 0, 0, 0]),
        *texts_of("labels.jsonl", "shop", [1, 0]),
        *texts_of("labels.jsonl", "app", [1]),
    ]
    compared = [0.1, 0.1, 0.1, 0.1, 0.9, 0.9, 0.9]
    groups = groups_of(test, compared, {"shop"})
    assert {key: (group.rows, group.positives) for key, group in groups.items()} == {
        ("file", "a.csv"): (4, 1),
        ("file", "labels.jsonl"): (3, 2),
        ("source", ""): (4, 1),
        ("source", "shop"): (2, 1),
        ("source", "app"): (1, 1),
    }
    assert [key for key, group in groups.items() if group.new] == [("source", "app")]
    shop = groups["source", "shop"]
    assert shop.compared is not None and shop.difference is not None
    assert (shop.served.accuracy, shop.compared.accuracy, shop.baseline.accuracy) == (1.0, 0.5, 0.5)
    assert (shop.difference.newly_right, shop.difference.newly_wrong) == (1, 0)
    assert (shop.compared.recall, shop.compared.negative_recall) == (1.0, 0.0)
    assert groups["source", "app"].served.negative_recall is None
    assert groups["source", ""].title == "(no source)"


def test_one_file_without_sources_has_no_groups() -> None:
    assert groups_of(texts_of("a.csv", "", [1, 0, 0])) == {}


def test_without_a_version_before_there_is_no_difference() -> None:
    (group,) = groups_of(texts_of("a.csv", "shop", [1, 0, 0])).values()
    assert (group.compared, group.difference) == (None, None)


def test_smallest_of_many_sources_are_one_group() -> None:
    test = [e for n in range(100) for e in texts_of("a.csv", f"client {n:02}", [1, 0] * (1 + n))]
    groups = groups_of(test)
    assert len(groups) == MAX_GROUPS
    assert groups["source", "81 others"].rows == 2 * sum(range(1, 82))
    assert not groups["source", "81 others"].new


def drop_of(rows: int, newly_wrong: int, newly_right: int = 0, share: float = 0.5) -> float:
    """The drop of a version that gets other texts wrong than the version before."""
    truth = np.array([int(n < rows * share) for n in range(rows)])
    order = np.random.default_rng(1).permutation(rows)
    served, compared = truth.astype(float), truth.astype(float)
    wrong, right = order[:newly_wrong], order[newly_wrong : newly_wrong + newly_right]
    served[wrong], compared[right] = 1 - served[wrong], 1 - compared[right]
    return difference(truth, served, compared).drop


@pytest.mark.parametrize(
    ("rows", "newly_wrong", "newly_right", "worse"),
    [
        (12, 2, 0, False),
        (12, 6, 0, True),
        (30, 1, 0, False),
        (30, 6, 0, True),
        (300, 4, 3, False),
        (300, 20, 3, True),
        (3_000, 20, 18, False),
        (3_000, 90, 10, True),
    ],
)
def test_drop_is_what_chance_does_not_explain(
    rows: int, newly_wrong: int, newly_right: int, worse: bool
) -> None:
    assert (drop_of(rows, newly_wrong, newly_right) > 0.01) is worse


def test_rare_class_that_is_lost_is_a_drop_although_accuracy_hardly_falls() -> None:
    truth = np.array([1] * 10 + [0] * 990)
    lost = difference(truth, np.zeros(1_000), truth.astype(float))
    assert lost.accuracy == pytest.approx(-0.01)
    assert lost.balanced_accuracy == pytest.approx(-0.5)
    assert lost.drop > 0.2


def test_equal_versions_are_rarely_called_worse() -> None:
    """Each version gets 5% wrong, independently; five sources of 60 texts."""
    random = np.random.default_rng(5)
    test = [e for n in range(5) for e in texts_of("a.csv", f"source {n}", [1, 0] * 30)]
    labels = np.array([example.label for example in test])
    refused = 0
    for _ in range(200):
        served, compared = (np.abs(labels - (random.random(300) < 0.05)) for _ in range(2))
        groups = compare_groups(test, Answers(served.tolist(), [0.0] * 300, compared.tolist()))
        refused += any(g.difference is not None and g.difference.drop > 0.01 for g in groups)
    assert refused <= 10


def test_kinds_are_fields_of_an_example() -> None:
    assert all(hasattr(Example("a", 0), kind.value) for kind in GroupKind)
