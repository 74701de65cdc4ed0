"""How many parts a JSON document has, before it is parsed.

A document of a few bytes per part takes twenty times its size in memory once it is parsed, whereas
a text takes at most four times its size.
"""

from __future__ import annotations

import re

# Possessive, so that no document makes the search try a string twice.
STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)


def has_more_parts(document: bytes, most: int) -> bool:
    """Return whether strings, and bytes outside of strings, are more than `most` together.

    The search ends once they are, so its cost does not depend on the document.
    """
    if len(document) <= most:
        return False
    parts = position = 0
    for string in STRING.finditer(document):
        parts += string.start() - position + 1
        position = string.end()
        if parts > most:
            return True
    return parts + len(document) - position > most
