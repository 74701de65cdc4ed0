"""Train, validation and test splits; a text and its duplicates are always in the same one."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable
from dataclasses import dataclass, replace

from training.data.examples import SPLITS, TEST, TRAIN, VALIDATION, Example, normalise
from training.errors import DataInvalid

log = logging.getLogger(__name__)
TEST_SHARE = 0.15

# Examples with the same normalised text.
Group = list[Example]


@dataclass(frozen=True, slots=True)
class Splits:
    train: list[Example]
    validation: list[Example]
    test: list[Example]
    fingerprint: str


def split_examples(examples: Iterable[Example], validation_share: float) -> Splits:
    """Split the examples by the hash of their text, each class separately.

    An example that names its split stays in it. Without a named test or validation split, that
    split is taken from the rest. Raises DataInvalid if a split lacks a class.
    """
    groups = _duplicates(examples)
    _warn_of_overlap(groups)
    groups = [_in_one_split(group) for group in groups]
    if not any(example.split == TEST for group in groups for example in group):
        groups = _carve(groups, TEST_SHARE, TEST)
    if not any(example.split == VALIDATION for group in groups for example in group):
        groups = _carve(groups, validation_share, VALIDATION)
    # In hash order, so that the first examples of a split are a random sample of it.
    groups.sort(key=lambda group: _hash("order", group[0].text))
    everything = [example for group in groups for example in group]
    splits = {name: [e for e in everything if (e.split or TRAIN) == name] for name in SPLITS}
    for name, members in splits.items():
        if len({example.label for example in members}) < 2:
            raise DataInvalid(f"The {name} split would contain one class only; add labelled texts.")
    return Splits(splits[TRAIN], splits[VALIDATION], unique(splits[TEST]), fingerprint(everything))


def unique(examples: Iterable[Example]) -> list[Example]:
    """Return the first example of each normalised text."""
    first: dict[str, Example] = {}
    for example in examples:
        first.setdefault(normalise(example.text), example)
    return list(first.values())


def fingerprint(examples: Iterable[Example]) -> str:
    """Return the SHA-256 of the labelled texts, which does not depend on their order."""
    lines = sorted(f"{e.label}\t{e.split}\t{e.text}" for e in examples)
    return hashlib.sha256("\n".join(lines).encode("utf-8", "surrogatepass")).hexdigest()


def _duplicates(examples: Iterable[Example]) -> list[Group]:
    groups: dict[str, Group] = {}
    for example in examples:
        groups.setdefault(normalise(example.text), []).append(example)
    return list(groups.values())


def _warn_of_overlap(groups: list[Group]) -> None:
    """Log how many training texts are removed because the validation or test split has them."""
    count = sum(
        example.split == TRAIN
        for group in groups
        for example in group
        if any(other.split in (VALIDATION, TEST) for other in group)
    )
    if count:
        log.warning(
            "%d training texts are also in the validation or test split and are not trained on.",
            count,
        )


def _in_one_split(group: Group) -> Group:
    """Move duplicates to the strictest split that one of them names: test, then validation."""
    named = {example.split for example in group}
    strictest = next((name for name in (TEST, VALIDATION, TRAIN) if name in named), "")
    return [replace(example, split=strictest) for example in group]


def _carve(groups: list[Group], share: float, name: str) -> list[Group]:
    """Move `share` of each class's training groups to the split `name`, lowest hash first."""
    carved = []
    for label in (0, 1):
        of_class = [g for g in groups if g[0].label == label and g[0].split in ("", TRAIN)]
        of_class.sort(key=lambda group: _hash(name, group[0].text))
        target, taken = share * sum(map(len, of_class)), 0
        for group in of_class:
            moves = taken < target
            taken += len(group) if moves else 0
            carved.append([replace(e, split=name) for e in group] if moves else group)
    return carved + [g for g in groups if g[0].split not in ("", TRAIN)]


def _hash(salt: str, text: str) -> bytes:
    return hashlib.sha256(f"{salt}\0{normalise(text)}".encode("utf-8", "surrogatepass")).digest()
