"""MODEL_CARD.md, generated: what the model is, what it was measured to do, what it is not for."""

from __future__ import annotations

from dataclasses import dataclass

from training.evaluate import Metrics, Parity

NAMES = ("accuracy", "precision", "recall", "f1", "auc")


@dataclass(frozen=True, slots=True)
class CardFacts:
    model: str
    labels: tuple[str, str]
    data: dict[str, object]
    architecture: dict[str, object]
    training: dict[str, object]
    int8: Metrics
    float32: Metrics
    parity: Parity
    sizes: dict[str, int]


def write_card(facts: CardFacts) -> str:
    lines = [
        f"# {facts.model}",
        "",
        f"Tells `{facts.labels[1]}` (positive) from `{facts.labels[0]}` (negative) in one text.",
        "",
        "## Measured",
        "",
        f"On {facts.int8.rows} test texts ({facts.int8.positives} positive, duplicates removed), "
        "which nothing was chosen by:",
        "",
        "| | int8, as served | float32 |",
        "|---|---|---|",
        *(
            f"| {name} | {getattr(facts.int8, name):.4f} | {getattr(facts.float32, name):.4f} |"
            for name in NAMES
        ),
        "",
        f"Largest difference in probability {facts.parity.largest_difference:.4f}; "
        f"{facts.parity.changed_decisions:.2%} of decisions change.",
        "",
        *_table("Data", facts.data),
        *_table("Shape", facts.architecture),
        *_table("Training", facts.training),
        *_table("Size in bytes", dict(facts.sizes)),
        "## Use and limits",
        "",
        "For texts like those it was trained on. Elsewhere, watch the drift report and label a "
        "sample: confidence says how sure the model is, not whether it is right. A confidence "
        "under the threshold is a call for a person, not an answer.",
        "",
    ]
    return "\n".join(lines)


def _table(title: str, values: dict[str, object]) -> list[str]:
    rows = [f"| {name.replace('_', ' ')} | {value} |" for name, value in values.items()]
    return [f"## {title}", "", "| | |", "|---|---|", *rows, ""]
