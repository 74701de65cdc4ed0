"""How a label may be written, in files of every format and in messages.

A class name of the model is compared first, so that a class may have any name.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

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
WHOLE_NUMBER = re.compile(r"([01])\.0*")


def spelled_label(value: object) -> int | None:
    """Return 0 or 1 if a value is one of their spellings in any case, otherwise None."""
    text = label_text(value).casefold()
    if (whole := WHOLE_NUMBER.fullmatch(text)) is not None:
        text = whole[1]
    return SPELLINGS.get(text)


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
