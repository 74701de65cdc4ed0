"""What the splits consist of: texts and positives, in all and by file and source."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from training.data.examples import SPLITS, Example
from training.data.splits import Splits

# The largest are listed; a column with other content may have as many values as rows.
MAX_NAMES = 200


def composition(splits: Splits) -> dict[str, Any]:
    """Return, for the manifest, texts and positives per split, and both per file and source.

    A name maps to {split: [texts, positives]}. Texts without a source are not listed by source.
    """
    members = {name: getattr(splits, name) for name in SPLITS}
    return {
        **{name: len(examples) for name, examples in members.items()},
        "positives": {name: _counts(examples)[1] for name, examples in members.items()},
        "files": _by("file", members),
        "sources": _by("source", members),
    }


def known_sources(data: dict[str, Any]) -> frozenset[str]:
    """Return the sources that a version was trained on, from its manifest's data.

    None are known of a version from before sources were recorded.
    """
    sources = data.get("sources")
    if not isinstance(sources, dict):
        return frozenset()
    return frozenset(
        name
        for name, counts in sources.items()
        if isinstance(counts, dict) and any(counts.get("train") or ())
    )


def _by(field: str, members: dict[str, list[Example]]) -> dict[str, dict[str, list[int]]]:
    texts = {split: Counter(getattr(e, field) for e in rows) for split, rows in members.items()}
    positives = {
        split: Counter(getattr(e, field) for e in rows if e.label)
        for split, rows in members.items()
    }
    sizes = sum(texts.values(), Counter[str]())
    del sizes[""]
    return {
        name: {split: [texts[split][name], positives[split][name]] for split in members}
        for name, _ in sizes.most_common(MAX_NAMES)
    }


def _counts(examples: Sequence[Example]) -> list[int]:
    return [len(examples), sum(example.label for example in examples)]
