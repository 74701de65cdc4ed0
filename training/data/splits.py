"""Train, validation and test splits; a text and its duplicates are always in the same one."""

from __future__ import annotations

import hashlib
import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, replace

from training.data.examples import SPLITS, TEST, TRAIN, VALIDATION, Example, normalise
from training.errors import DataInvalid

log = logging.getLogger(__name__)
TEST_SHARE = 0.15
# In different texts. The share of fewer is rounded too far.
SMALLEST_STRATUM = 20

# Examples with the same normalised text.
Group = list[Example]


@dataclass(frozen=True, slots=True)
class Splits:
    train: list[Example]
    validation: list[Example]
    test: list[Example]
    fingerprint: str


def split_examples(examples: Iterable[Example], validation_share: float) -> Splits:
    """Split the examples by the hash of their text: of each file, source and class separately.

    An example that names its split stays in it. Of the others, each file gives its share of test
    and validation texts, unless the file names that split itself. If no file does, training texts
    give theirs too. Raises DataInvalid if a split lacks a class.
    """
    examples = list(examples)
    named = {(example.split, example.file) for example in examples}
    groups = _duplicates(examples)
    _warn_of_overlap(groups)
    groups = [_in_one_split(group) for group in groups]
    for name, share in ((TEST, TEST_SHARE), (VALIDATION, validation_share)):
        groups = _carve(groups, share, name, {file for split, file in named if split == name})
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


def _carve(groups: list[Group], share: float, name: str, naming: Set[str]) -> list[Group]:
    """Move `share` of each stratum to the split `name`, lowest hash first.

    A text therefore stays in its split when others are added. `naming` are the files that name the
    split themselves.
    """
    movable = ("",) if naming else ("", TRAIN)
    strata: dict[tuple[str, str, int], list[Group]] = defaultdict(list)
    carved: list[Group] = []
    for group in groups:
        file, source = min((example.file, example.source) for example in group)
        if group[0].split in movable and file not in naming:
            strata[file, source, group[0].label].append(group)
        else:
            carved.append(group)
    for stratum in _pool_small(strata):
        stratum.sort(key=lambda group: _hash(name, group[0].text))
        target, taken = share * sum(map(len, stratum)), 0
        for group in stratum:
            moves = taken < target
            taken += len(group) if moves else 0
            carved.append([replace(e, split=name) for e in group] if moves else group)
    return carved


def _pool_small(strata: Mapping[tuple[str, str, int], list[Group]]) -> list[list[Group]]:
    """Unite the small sources of a file and class: of one text, each would give all it has."""
    pooled: dict[tuple[str, str | None, int], list[Group]] = defaultdict(list)
    for (file, source, label), groups in strata.items():
        pooled[file, source if len(groups) >= SMALLEST_STRATUM else None, label] += groups
    return list(pooled.values())


def _hash(salt: str, text: str) -> bytes:
    return hashlib.sha256(f"{salt}\0{normalise(text)}".encode("utf-8", "surrogatepass")).digest()
