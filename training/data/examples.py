"""Labelled texts: reading, checking, and splits that no duplicate crosses."""

from __future__ import annotations

import hashlib
import logging
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scoring.errors import TextRefused
from scoring.input.text import clean
from training.data.rows import rows
from training.errors import DataUnusable

log = logging.getLogger(__name__)
TRAIN, VALIDATION, TEST = "train", "validation", "test"
SPLITS = (TRAIN, VALIDATION, TEST)
FEWEST_ROWS = 50
TEST_SHARE = 0.15


@dataclass(frozen=True, slots=True)
class Example:
    """One labelled text; `label` is 1 for the positive class. `split` is "" until it is decided."""

    text: str
    label: int
    split: str = ""


@dataclass(frozen=True, slots=True)
class Splits:
    train: list[Example]
    validation: list[Example]
    test: list[Example]
    fingerprint: str


def read(path: Path, text_column: str = "text", label_column: str = "label") -> list[Example]:
    """Read CSV (also .gz), JSONL or Parquet. Empty texts are left out.

    Raises DataUnusable with one sentence for what cannot be read; see `check` too.
    """
    examples = []
    for number, row in enumerate(rows(path), start=1):
        example = _example(row, f"{path}, row {number}", text_column, label_column)
        if example is not None:
            examples.append(example)
    return examples


def read_texts(path: Path, text_column: str = "text") -> list[str]:
    """Read texts alone, labelled or not. Empty ones are left out, and so is a split named test.

    Raises DataUnusable like `read`.
    """
    texts = []
    for number, row in enumerate(rows(path), start=1):
        if text_column not in row:
            raise _no_column(f"{path}, row {number}", text_column, row)
        text = _text(row[text_column])
        if text is not None and row.get("split") != TEST:
            texts.append(text)
    if not texts:
        raise DataUnusable(f"{path} holds no text that is not empty.")
    return texts


def check(examples: Sequence[Example], name: str) -> None:
    """Raise DataUnusable unless there are enough texts, of both classes."""
    if not examples:
        raise DataUnusable(f"{name} holds no text that is not empty.")
    if len(examples) < FEWEST_ROWS:
        raise DataUnusable(
            f"{name} holds {len(examples)} labelled texts, and at least {FEWEST_ROWS} are needed."
        )
    classes = Counter(example.label for example in examples)
    if len(classes) < 2:
        only = next(iter(classes))
        raise DataUnusable(f"{name} holds only texts labelled {only}; both 0 and 1 are needed.")


def split(examples: Iterable[Example], validation_share: float) -> Splits:
    """Part the examples by the hash of their text, each class by itself.

    A `split` of their own decides what is for training and what for the test; validation is carved
    out of training unless it is named too.
    """
    groups = _by_text(examples)
    _tell_overlap(groups)
    groups = [_in_one_split(group) for group in groups]
    if not any(example.split == TEST for group in groups for example in group):
        groups = _carve(groups, TEST_SHARE, TEST)
    if not any(example.split == VALIDATION for group in groups for example in group):
        groups = _carve(groups, validation_share, VALIDATION)
    # So that any first few of a split are a fair sample of it.
    groups.sort(key=lambda group: _hash("order", group[0].text))
    everything = [example for group in groups for example in group]
    parts = {name: [e for e in everything if (e.split or TRAIN) == name] for name in SPLITS}
    for name, part in parts.items():
        if len({example.label for example in part}) < 2:
            raise DataUnusable(f"The {name} split would hold one class only; add labelled texts.")
    return Splits(parts[TRAIN], parts[VALIDATION], unique(parts[TEST]), fingerprint(everything))


def unique(examples: Iterable[Example]) -> list[Example]:
    """The first of each normalised text."""
    first: dict[str, Example] = {}
    for example in examples:
        first.setdefault(normalise(example.text), example)
    return list(first.values())


def normalise(text: str) -> str:
    """Lower-cased, white space collapsed: texts that are alike in this are duplicates."""
    return " ".join(text.lower().split())


def fingerprint(examples: Iterable[Example]) -> str:
    """SHA-256 over the sorted labelled texts: the same data in any order is the same."""
    lines = sorted(f"{e.label}\t{e.split}\t{e.text}" for e in examples)
    return hashlib.sha256("\n".join(lines).encode("utf-8", "surrogatepass")).hexdigest()


def _by_text(examples: Iterable[Example]) -> list[list[Example]]:
    groups: dict[str, list[Example]] = {}
    for example in examples:
        groups.setdefault(normalise(example.text), []).append(example)
    return list(groups.values())


def _tell_overlap(groups: list[list[Example]]) -> None:
    """Say how many training texts are also in a split that judges, and are therefore left to it."""
    count = sum(
        example.split == TRAIN
        for group in groups
        for example in group
        if any(other.split in (VALIDATION, TEST) for other in group)
    )
    if count:
        log.warning(
            "%d training texts are also in the validation or test split, and are not learned from.",
            count,
        )


def _in_one_split(group: list[Example]) -> list[Example]:
    """A text that is in several splits stays only where it is not learned from."""
    named = {example.split for example in group}
    strictest = next((name for name in (TEST, VALIDATION, TRAIN) if name in named), "")
    return [Example(e.text, e.label, strictest) for e in group]


def _carve(groups: list[list[Example]], share: float, name: str) -> list[list[Example]]:
    """Move `share` of each class's undecided groups to the split `name`, lowest hash first."""
    carved = []
    for label in (0, 1):
        of_class = [g for g in groups if g[0].label == label and g[0].split in ("", TRAIN)]
        of_class.sort(key=lambda group: _hash(name, group[0].text))
        wanted, taken = share * sum(map(len, of_class)), 0
        for group in of_class:
            moves = taken < wanted
            taken += len(group) if moves else 0
            carved.append([Example(e.text, e.label, name) for e in group] if moves else group)
    return carved + [g for g in groups if g[0].split not in ("", TRAIN)]


def _hash(salt: str, text: str) -> bytes:
    return hashlib.sha256(f"{salt}\0{normalise(text)}".encode("utf-8", "surrogatepass")).digest()


def _example(
    row: dict[str, Any], place: str, text_column: str, label_column: str
) -> Example | None:
    for column in (text_column, label_column):
        if column not in row:
            raise _no_column(place, column, row)
    label = str(row[label_column]).strip()
    if label not in ("0", "1"):
        raise DataUnusable(f"{place} has the label {label!r}; labels are 0 or 1.")
    text = _text(row[text_column])
    if text is None:
        return None
    name = str(row.get("split") or "")
    return Example(text, int(label), name if name in SPLITS else "")


def _no_column(place: str, column: str, row: dict[str, Any]) -> DataUnusable:
    there = ", ".join(map(str, row)) or "none"
    return DataUnusable(f"{place} has no column {column!r}; its columns are: {there}.")


def _text(value: Any) -> str | None:
    try:
        return clean(str(value or "")).text
    except TextRefused:
        return None
