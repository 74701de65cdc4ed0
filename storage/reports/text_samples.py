"""Random samples of the texts that were scored in a window, stratified by source.

Of each source all texts are drawn up to a number, and a random sample of as many beyond it. Ids are
random, so a range of them is such a sample, and always the same one; an index selects it.
"""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Connection, text

LAST_ID = 2**128 - 1
NEVER = datetime.max.replace(tzinfo=UTC)

# A job is scored when it is finished.
IN_WINDOW = """state = 'scored' AND jobs.source = {source}
          AND finished_at >= :window_from AND finished_at < :window_to"""
# One probe of the index per source that the table has, and one range of it for each count.
SOURCES = text(f"""
WITH RECURSIVE names (source) AS (
    (SELECT source FROM plumbline.jobs WHERE state = 'scored' ORDER BY source LIMIT 1)
    UNION ALL
    SELECT (SELECT jobs.source FROM plumbline.jobs
            WHERE state = 'scored' AND jobs.source > names.source ORDER BY jobs.source LIMIT 1)
    FROM names WHERE names.source IS NOT NULL
)
SELECT names.source, counted.texts
FROM names CROSS JOIN LATERAL (
    SELECT count(*) AS texts FROM plumbline.jobs
    WHERE {IN_WINDOW.format(source="names.source")}
) AS counted
WHERE counted.texts > 0 ORDER BY counted.texts DESC, names.source
""")
# What follows WITH: `drawn.texts` is how many texts of the same stratum are drawn. Without OFFSET,
# PostgreSQL would compare every text of the window with the last id; those who join other tables
# use it as well, since PostgreSQL cannot know how few texts are drawn.
DRAWN = f"""
drawn AS MATERIALIZED (
    SELECT jobs.id, chosen.stratum, count(*) OVER (PARTITION BY chosen.stratum) AS texts
    FROM unnest(CAST(:sources AS text[]), CAST(:strata AS text[]), CAST(:last AS uuid[]))
        AS chosen (source, stratum, last)
    CROSS JOIN LATERAL (
        SELECT id FROM plumbline.jobs
        WHERE {IN_WINDOW.format(source="chosen.source")} AND id <= chosen.last OFFSET 0
    ) AS jobs
)"""


@dataclass(frozen=True, slots=True)
class Strata:
    """The sources of a window with the stratum of each, the texts per stratum, and the limit."""

    stratum_of: Mapping[str, str]
    texts: Mapping[str, int]
    limit: float

    def parameters(self) -> dict[str, object]:
        """Return those of DRAWN, other than the window."""
        strata = list(self.stratum_of.values())
        return {
            "sources": list(self.stratum_of),
            "strata": strata,
            "last": [last_id(self.limit / self.texts[stratum]) for stratum in strata],
        }

    def is_random(self, drawn: Mapping[str, int]) -> bool:
        """Return whether about as many texts were drawn of each stratum as random ids suggest.

        A program may have chosen ids that are not random.
        """
        return all(
            0.5 <= drawn.get(stratum, 0) / min(texts, self.limit) <= 2.0
            for stratum, texts in self.texts.items()
        )


def count_texts(
    connection: Connection, window_from: datetime, window_to: datetime = NEVER
) -> dict[str, int]:
    """Return how many texts of each source were scored in the window, the largest first."""
    window = {"window_from": window_from, "window_to": window_to}
    return {row.source: row.texts for row in connection.execute(SOURCES, window)}


def stratify(texts_of: Mapping[str, int], stratum_of: Mapping[str, str], drawn: int) -> Strata:
    """Return the strata of which about `drawn` texts are drawn together."""
    texts: dict[str, int] = defaultdict(int)
    for source, stratum in stratum_of.items():
        texts[stratum] += texts_of[source]
    return Strata(stratum_of, texts, largest_sample(texts.values(), drawn))


def largest_sample(sizes: Iterable[int], total: float) -> float:
    """Return the limit per stratum with which all samples together are `total`."""
    ascending = sorted(sizes)
    for position, size in enumerate(ascending):
        limit = total / (len(ascending) - position)
        if size > limit:
            return limit
        total -= size
    return float(ascending[-1]) if ascending else 0.0


def last_id(share: float) -> uuid.UUID:
    """Return the id up to which `share` of all random ids are."""
    return uuid.UUID(int=min(LAST_ID, max(0, round(share * 2**128) - 1)))
