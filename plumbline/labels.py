"""How a label may be written, in files of every format and in messages.

A class name of the model is compared first, so that a class may have any name.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from plumbline.errors import OptionInvalid

# PostgreSQL exports booleans as t and f, pandas as True and False.
SPELLINGS = {
    "0": 0,
    "false": 0,
    "f": 0,
    "no": 0,
    "n": 0,
    "1": 1,
    "true": 1,
    "t": 1,
    "yes": 1,
    "y": 1,
}
# A column of whole numbers with a gap is written as decimal numbers.
WHOLE_NUMBER = re.compile(r"([+-]?[0-9]+)\.0*")
# How programs write a missing value, besides an empty one.
MISSING = frozenset({"", "nan", "none", "null", "na", "n/a", "<na>"})
# Different values, and characters of one, that a sentence lists.
LISTED_VALUES = 5
LONGEST_VALUE = 40


@dataclass(frozen=True, slots=True)
class LabelValues:
    """The values of a file that mean the positive and the negative class, as options name them.

    If the values of one class alone are named, every other value is the other class, unless it is
    missing. Those are counted in `others`, so that a misspelled one is noticed.
    """

    positive: frozenset[str]
    negative: frozenset[str]
    others: Counter[str] = field(default_factory=Counter, compare=False)

    @classmethod
    def parse(cls, positive: Sequence[str], negative: Sequence[str]) -> LabelValues | None:
        """Return the values that --positive and --negative name; None if there are none.

        Raises OptionInvalid.
        """
        if not positive and not negative:
            return None
        values = cls(frozenset(map(plain_value, positive)), frozenset(map(plain_value, negative)))
        if "" in values.positive | values.negative:
            raise OptionInvalid(
                "--positive and --negative name values of labels; an empty value is a text without "
                "a label."
            )
        if both := values.positive & values.negative:
            raise OptionInvalid(
                f"{sorted(both)[0][:LONGEST_VALUE]!r} is named by --positive and --negative; leave "
                "out one of them."
            )
        return values

    def parse_label(self, value: object) -> int | None:
        """Return 0 or 1; None for a missing value, or one that is not named if both classes are."""
        plain = plain_value(value)
        if plain in self.positive:
            return 1
        if plain in self.negative:
            return 0
        if plain in MISSING or (self.positive and self.negative):
            return None
        self.others[label_text(value)] += 1
        return 0 if self.positive else 1

    def sentence(self) -> str | None:
        """Return which values were the other class without being named; None if there are none."""
        if not self.others:
            return None
        listed = [
            f"{value[:LONGEST_VALUE]!r} ({count:,})"
            for value, count in self.others.most_common(LISTED_VALUES)
        ]
        more = len(self.others) - len(listed)
        listed += [f"{more:,} more values"] if more else []
        option, other = ("--positive", "negative") if self.positive else ("--negative", "positive")
        return f"Labels that {option} does not name are the {other} class: {', '.join(listed)}."

    def written(self) -> tuple[str, str]:
        """Return a value of the negative and one of the positive class, to write with."""
        if not self.negative:
            return f"not {min(self.positive)}", min(self.positive)
        negative = min(self.negative)
        return negative, min(self.positive) if self.positive else f"not {negative}"

    def names(self) -> list[str]:
        """Return the values that the options name."""
        return [*sorted(self.negative), *sorted(self.positive)]


def plain_value(value: object) -> str:
    """Return a label without what does not distinguish values: case, spaces, decimals of 1.0."""
    text = label_text(value).casefold()
    whole = WHOLE_NUMBER.fullmatch(text)
    return text if whole is None else whole[1]


def spelled_label(value: object) -> int | None:
    """Return 0 or 1 if a value is one of their spellings in any case, otherwise None."""
    return SPELLINGS.get(plain_value(value))


def parse_label(value: object, names: Sequence[str]) -> int | None:
    """Return the position of a class name or the label that is spelled, otherwise None."""
    text = label_text(value)
    if text in names:
        return list(names).index(text)
    folded = [name.strip().casefold() for name in names]
    if folded.count(text.casefold()) == 1:
        return folded.index(text.casefold())
    return spelled_label(text)


def label_text(value: object) -> str:
    """Return a label as it would be written in CSV."""
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    return str(value).strip()
