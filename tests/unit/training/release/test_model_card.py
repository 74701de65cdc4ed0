"""The card contains every figure and is valid Markdown."""

import re
from dataclasses import replace

import pytest

from tests.measured_version import MEASURED
from training.data.examples import Example
from training.evaluation.gates import Gate, GateResult, evaluate_gates
from training.evaluation.group_comparison import Answers, compare_groups
from training.evaluation.measurement import ComparedVersion
from training.loop.resource_monitor import ResourceUsage
from training.release.model_card import ModelCard

CARD = ModelCard(
    model="toy/1.2.3",
    labels=("letter", "advert"),
    parent="toy/1.2.2",
    initial_weights="the checkpoint tiny-encoder",
    data={
        **{"name": "toy|odd.jsonl", "fingerprint": "ab" * 32, "train": 4058, "test": 737},
        "positives": {"train": 540, "test": 97},
        "sources": {"shop": {"train": [40, 20], "validation": [0, 0], "test": [10, 2]}},
    },
    architecture={"layers": 6, "width": 384, "head_widths": (512, 256)},
    training={"steps": 1234, "learning_rate": 3e-05, "seed": 17},
    resources=ResourceUsage(7_384.2, 14_001.0, 2_345.4, 40_123.0, 0.83),
    measured=MEASURED,
    threshold=0.7,
    calibration_plot="calibration.png",
    curves_plot="training.png",
)


def with_gates(gates: list[GateResult]) -> str:
    return replace(CARD, measured=replace(MEASURED, gates=gates)).markdown()


def section(card: str, title: str) -> str:
    """Return the part between a heading and the next heading."""
    match = re.search(rf"^#+ {title}\n(.*?)(?=^#|\Z)", card, re.M | re.S)
    assert match is not None, title
    return match.group(1)


@pytest.mark.parametrize(
    ("title", "figures"),
    [
        ("toy/1.2.3", ["`advert` (positive)", "Follows toy/1.2.2", "checkpoint tiny-encoder"]),
        ("Metrics", ["737 test texts (97 positive", "0.0432", "0.14%", "0.27%"]),
        ("Metrics", ["| accuracy | 0.9911 (0.7110 to 0.7111) | 0.9912 (0.7210 to 0.7211) |"]),
        ("Metrics", ["| precision | 0.9822 (0.7112 to 0.7113) | 0.9823 (0.7212 to 0.7213) |"]),
        ("Metrics", ["| recall | 0.9533 (0.7114 to 0.7115) | 0.9534 (0.7214 to 0.7215) |"]),
        ("Metrics", ["| f1 | 0.9644 (0.7116 to 0.7117) | 0.9645 (0.7216 to 0.7217) |"]),
        ("Metrics", ["| auc | 0.9955 (0.7118 to 0.7119) | 0.9956 (0.7218 to 0.7219) |"]),
        ("Metrics", ["| negative_recall | 0.9966 (0.7120 to 0.7121) |", "| mcc | 0.9581 "]),
        ("Baselines", ["| accuracy | 0.8684 | 0.9891 |", "| balanced_accuracy | 0.5000 |"]),
        ("Baselines", ["- The version only ties with the TF-IDF baseline, which took 1.2 s"]),
        (
            "Worst errors",
            ["| advert | 0.9871 | `toy.jsonl:512` | `shop` | `0123456789ab` |", "SHA-256"],
        ),
        ("Confusion matrix", ["| actual letter | 637 | 3 |", "| actual advert | 5 | 92 |"]),
        ("By length", ["| 0 to 16 | 237 | 35 | 0.9747 | 0.9394 | 0.8857 | 0.9118 |"]),
        ("By length", ["| 513 and more | 11 | 0 | 1.0000 | – | – | – |"]),
        ("Calibration", ["temperature is 0.5884 and the bias 0.0000", "](calibration.png)"]),
        ("Calibration", ["| validation, temperature 1 | 718 | 0.0080 | 0.0090 | 0.0103 |"]),
        ("Calibration", ["| validation, calibrated | 719 |", "| test, temperature 1 | 736 |"]),
        ("Calibration", ["| test, calibrated | 737 | 0.0082 | 0.0092 | 0.0105 |"]),
        ("Thresholds", ["| 0.5 | 100.0% | 0 | 0.9751 | 0.9752 | 0.9753 |"]),
        ("Thresholds", ["| **0.7** | 98.7% | 9 | 0.9851 | 0.9852 | 0.9853 |"]),
        ("Thresholds", ["| 0.99 | 0.0% | 718 | – | – | – |", "serves with threshold 0.7"]),
        ("Serving", ["| tokens | 16 | 512 |", "| ms | 3.2 | 110.4 |"]),
        ("Serving", ["| int8 | 22.7 |", "| saved model | 90.8 |"]),
        ("Gates", ["| `f1 >= 0.9` | 0.9644 | passed |", "| `ece <= 0.03` | 0.0345 | **failed** |"]),
        ("Gates", ["- ece is 0.0345; the gate requires at most 0.03."]),
        ("Data", ["ab" * 32, "| train | 4058 | 540 | 13.3% |", "| test | 737 | 97 | 13.2% |"]),
        ("Data", ["toy\\|odd.jsonl", "| `shop` | 40 (50.0%) | 0 (–) | 10 (20.0%) |"]),
        ("Training", ["| steps | 1234 |", "| learning rate | 3e-05 |", "| seed | 17 |"]),
        ("Training", ["| parent | toy/1.2.2 |", "](training.png)"]),
        ("Shape", ["| layers | 6 |", "| head widths | 512, 256 |"]),
        ("Resources", ["| time | 2 h 3 min 4 s |", "| CPU time | 3 h 53 min 21 s |"]),
        ("Resources", ["2,345 MB", "40,123 MB", "| mean GPU utilization | 83% |"]),
        (
            "Use and limits",
            ["sole basis for a decision", "drift report", "combined by their mean"],
        ),
    ],
)
def test_card_contains_every_figure(title: str, figures: list[str]) -> None:
    text = section(CARD.markdown(), title)
    assert [figure for figure in figures if figure not in text] == []


def test_every_row_of_a_table_has_as_many_cells_as_its_header() -> None:
    for block in CARD.markdown().split("\n\n"):
        rows = [line for line in block.splitlines() if line.startswith("|")]
        widths = {len(re.findall(r"(?<!\\)\|", row)) for row in rows}
        assert len(widths) <= 1, block


def test_introduction_states_the_result_of_the_gates() -> None:
    assert "**1 of 2 gates failed.**" in CARD.markdown()
    good = evaluate_gates({"f1": 0.96}, [Gate("f1", 0.9, True)])
    assert "All gates passed.\n" in with_gates(good)
    skipped = evaluate_gates({}, [Gate("f1_drop", 0.01, False)])
    assert "All gates passed, 1 of them skipped." in with_gates(skipped)
    assert "No gates were evaluated." in with_gates([])


def test_card_omits_absent_parent_and_gpu() -> None:
    first = replace(CARD, parent=None, resources=ResourceUsage(59.6, 1.0, 100.0, None, None))
    card = first.markdown()
    assert "First version of this model" in card
    assert "GPU" not in card
    assert "| time | 1 min |" in card
    assert "None" not in card


def test_sources_are_beside_the_version_before() -> None:
    test = [Example(f"t {n}", n % 2, source="shop" if n < 20 else "a`|<b>") for n in range(40)]
    right = [float(n % 2) for n in range(40)]
    groups = compare_groups(test, Answers(right, right, [1.0 - right[0], *right[1:]]))
    measured = replace(
        MEASURED, groups=groups, compared=ComparedVersion("toy/1.2.2", MEASURED.int8)
    )
    text = section(replace(CARD, measured=measured).markdown(), "By source")
    assert "Each figure is toy/1.2.2's, then this version's." in text
    assert "| `shop` | 20 | 10 | 0.9500 → 1.0000 |" in text
    # A name from outside is code, in which Markdown and HTML mean nothing.
    assert "| `a'\\|<b>` | 20 | 10 | 1.0000 → 1.0000 |" in text
    first = section(
        replace(CARD, measured=replace(measured, compared=None)).markdown(), "By source"
    )
    assert "no earlier version" in first


def test_texts_of_the_worst_errors_are_shown_on_request() -> None:
    shown = replace(MEASURED.worst_errors[0], text="cash\nprize")
    text = replace(CARD, measured=replace(MEASURED, worst_errors=[shown])).markdown()
    assert "| `cash\\nprize` |" in text
    none = replace(CARD, measured=replace(MEASURED, worst_errors=[])).markdown()
    assert "No test text is misclassified." in none
