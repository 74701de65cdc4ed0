"""The card contains every figure and is valid Markdown."""

import re
from dataclasses import replace

import pytest

from tests.measured_version import MEASURED
from training.evaluation.gates import Gate, GateResult, evaluate_gates
from training.loop.resource_monitor import ResourceUsage
from training.release.model_card import ModelCard

CARD = ModelCard(
    model="toy/1.2.3",
    labels=("letter", "advert"),
    parent="toy/1.2.2",
    initial_weights="the checkpoint tiny-encoder",
    data={"name": "toy|odd.jsonl", "fingerprint": "ab" * 32, "train": 4058, "test": 737},
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
        ("Metrics", ["737 test texts (97 positive", "0.0432", "0.14%"]),
        ("Metrics", ["| accuracy | 0.9911 (0.7110 to 0.7111) | 0.9912 (0.7210 to 0.7211) |"]),
        ("Metrics", ["| precision | 0.9822 (0.7112 to 0.7113) | 0.9823 (0.7212 to 0.7213) |"]),
        ("Metrics", ["| recall | 0.9533 (0.7114 to 0.7115) | 0.9534 (0.7214 to 0.7215) |"]),
        ("Metrics", ["| f1 | 0.9644 (0.7116 to 0.7117) | 0.9645 (0.7216 to 0.7217) |"]),
        ("Metrics", ["| auc | 0.9955 (0.7118 to 0.7119) | 0.9956 (0.7218 to 0.7219) |"]),
        ("Confusion matrix", ["| actual letter | 637 | 3 |", "| actual advert | 5 | 92 |"]),
        ("By length", ["| 0 to 16 | 237 | 35 | 0.9747 | 0.9394 | 0.8857 | 0.9118 |"]),
        ("By length", ["| 513 and more | 11 | 0 | 1.0000 | – | – | – |"]),
        ("Calibration", ["temperature is 0.5884", "](calibration.png)"]),
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
        ("Data", ["ab" * 32, "| train | 4058 |", "| test | 737 |", "toy\\|odd.jsonl"]),
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
