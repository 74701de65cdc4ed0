"""What a model card compares: baselines, the version before, files, sources, and the errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from training.data.examples import SPLITS
from training.evaluation.baselines import BaselineResult
from training.evaluation.group_comparison import Group, GroupKind, GroupMetrics
from training.evaluation.metrics import MEASURES
from training.evaluation.worst_errors import WorstError
from training.release.card_tables import NO_VALUE, properties, quoted, share, table

LONGEST_TEXT = 300
GROUP_MEASURES = ("accuracy", "f1", "recall", "negative_recall")


def baselines(results: Sequence[BaselineResult]) -> list[str]:
    rows = [
        (name, *(f"{getattr(result.metrics, name):.4f}" for result in results)) for name in MEASURES
    ]
    return [
        "### Baselines",
        "",
        "On the same texts: always the larger class of the training texts, and a linear model on "
        "TF-IDF weights of words and pairs of words.",
        "",
        *table(("", *(result.name for result in results)), rows),
        *(f"- {result.sentence}" for result in results),
        "",
    ]


def groups(members: Sequence[Group], compared: str | None) -> list[str]:
    lines = []
    for kind in GroupKind:
        of_kind = [group for group in members if group.kind is kind]
        if of_kind:
            lines += _groups(kind, of_kind, compared)
    return lines


def _groups(kind: GroupKind, members: Sequence[Group], compared: str | None) -> list[str]:
    header = [kind.value, "texts", "positive", *GROUP_MEASURES, "TF-IDF accuracy"]
    header += ["difference in accuracy"] if compared else []
    return [
        f"### By {kind}",
        "",
        f"Each figure is {compared}'s, then this version's. The difference has its 95% interval."
        if compared
        else "There is no earlier version to compare with.",
        "",
        *table(header, [_group_cells(group) for group in members]),
    ]


def _group_cells(group: Group) -> list[object]:
    cells: list[object] = [
        quoted(group.name) if group.name else "no source",
        group.rows,
        group.positives,
        *(_change(group.compared, group.served, measure) for measure in GROUP_MEASURES),
        share(group.baseline.accuracy),
    ]
    if group.difference is not None:
        interval = group.difference.interval
        cells.append(
            f"{group.difference.accuracy:+.4f} ({interval.low:+.4f} to {interval.high:+.4f})"
        )
    return cells


def _change(before: GroupMetrics | None, now: GroupMetrics, measure: str) -> str:
    value = share(getattr(now, measure))
    return value if before is None else f"{share(getattr(before, measure))} → {value}"


def worst_errors(errors: Sequence[WorstError], labels: tuple[str, str]) -> list[str]:
    if not errors:
        return ["### Worst errors", "", "No test text is misclassified.", ""]
    rows = [
        (
            labels[error.label],
            f"{error.confidence:.4f}",
            quoted(f"{error.file}:{error.line}") if error.file else NO_VALUE,
            quoted(error.source) if error.source else NO_VALUE,
            quoted(error.text_hash if error.text is None else error.text[:LONGEST_TEXT]),
        )
        for error in errors
    ]
    content = "text" if errors[0].text is not None else "start of the text's SHA-256"
    return [
        "### Worst errors",
        "",
        "The misclassified test texts with the highest confidence, per label. Some are errors of "
        "the label.",
        "",
        *table(("label", "confidence", "file and line", "source", content), rows),
    ]


def data(values: Mapping[str, Any], labels: tuple[str, str]) -> list[str]:
    """Return the splits with the share of the positive class, and the files and sources."""
    nested = {name for name, value in values.items() if isinstance(value, Mapping)}
    sizes = {split: values[split] for split in SPLITS if split in values}
    positives = values.get("positives", {})
    return [
        "## Data",
        "",
        *properties({name: values[name] for name in values if name not in {*nested, *SPLITS}}),
        *table(
            ("split", "texts", labels[1], "share"),
            [
                (split, size, positives.get(split, NO_VALUE), _share_of(positives.get(split), size))
                for split, size in sizes.items()
            ],
        ),
        *_composition("file", values.get("files", {}), labels[1]),
        *_composition("source", values.get("sources", {}), labels[1]),
    ]


def _composition(
    kind: str, parts: Mapping[str, Mapping[str, Sequence[int]]], label: str
) -> list[str]:
    """Return texts and positives per split; nothing for a single file."""
    if len(parts) < (2 if kind == "file" else 1):
        return []
    rows = [
        (
            quoted(name),
            *(
                f"{counts[split][0]} ({_share_of(counts[split][1], counts[split][0])})"
                for split in SPLITS
            ),
        )
        for name, counts in parts.items()
    ]
    return [
        f"Texts per {kind} and split, with the share of {label}:",
        "",
        *table((kind, *SPLITS), rows),
    ]


def _share_of(positives: int | None, texts: int) -> str:
    return NO_VALUE if positives is None or not texts else f"{positives / texts:.1%}"
