import numpy as np
import pytest

from training.data.examples import Example
from training.evaluation.gates import Gate, GateResult, all_passed, default_gates
from training.evaluation.group_comparison import Answers, compare_groups
from training.evaluation.group_gates import evaluate_group_gates

GATES = default_gates(rows=100, negatives=50, chance_ece=0.02, max_tokens=512)


def results_of(
    served_errors: int,
    compared_errors: int | None,
    *,
    rows: int = 60,
    known: bool = False,
    gates: list[Gate] = GATES,
) -> dict[str, GateResult]:
    """Evaluate one source; the errors of the two versions are the first texts."""
    test = [Example(f"text {n}", n % 2, source="shop") for n in range(rows)]
    labels = np.array([example.label for example in test])

    def answer(errors: int) -> list[float]:
        return np.where(np.arange(rows) < errors, 1.0 - labels, labels).tolist()  # type: ignore[no-any-return]

    compared = None if compared_errors is None else answer(compared_errors)
    answers = Answers(answer(served_errors), answer(0), compared)
    groups = compare_groups(test, answers, {"shop"} if known else set())
    name = None if compared is None else "toy/1.0.0"
    return {result.measure: result for result in evaluate_group_gates(groups, gates, name)}


def test_source_that_got_worse_is_refused_by_name() -> None:
    results = results_of(12, 1, known=True)
    assert list(results) == ["source_drop"]
    drop = results["source_drop"]
    assert not drop.passed and drop.subject == "shop"
    assert drop.name == "source_drop of shop <= 0.01"
    assert drop.sentence.startswith("source_drop of the source shop is at least 0.")
    assert drop.sentence.endswith(
        "(accuracy 0.9833 with toy/1.0.0, 0.8000 now, on 60 texts); the gate requires at most 0.01."
    )


def test_source_with_twelve_texts_does_not_fail_by_chance() -> None:
    drop = results_of(2, 1, rows=12, known=True)["source_drop"]
    assert drop.passed and drop.value == 0.0
    assert "is not more than chance" in drop.sentence


@pytest.mark.parametrize(("now", "before", "passed"), [(2, 12, True), (12, 12, False)])
def test_new_source_has_to_be_better(now: int, before: int, passed: bool) -> None:
    results = results_of(now, before)
    assert results["new_source_gain"].passed is passed
    assert results["source_drop"].passed


def test_new_source_that_was_good_already_need_not_be_better() -> None:
    results = results_of(1, 1)
    gain = results["new_source_gain"]
    assert (gain.passed, gain.skipped, gain.value) == (True, True, None)
    assert "toy/1.0.0 makes 1 error there, too few to improve on" in gain.sentence


def test_known_source_need_not_be_better() -> None:
    assert "new_source_gain" not in results_of(12, 12, known=True)


def test_without_a_version_before_the_gates_are_skipped() -> None:
    results = results_of(12, None)
    assert {result.outcome for result in results.values()} == {"skipped"}
    assert all_passed(list(results.values()))


def test_bound_can_be_replaced() -> None:
    gates = [Gate("source_drop", 0.3, at_least=False)]
    assert list(results_of(12, 1, gates=gates)) == ["source_drop"]
    assert results_of(12, 1, gates=gates)["source_drop"].passed
