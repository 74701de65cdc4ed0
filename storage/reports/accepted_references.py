"""Windows of live traffic that somebody accepted as the normal of a version.

A copy of the predictions' numbers is kept, and no text, so that the reference outlives them.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, text

# More rows make a reference no better, only larger: 5,000 rows are about 1 MB of JSON.
MAX_ROWS = 5_000
# The column with each row's source, next to those that are compared.
SOURCE = "source"

# Rows are compared so that the index of the versions, which contains the ids, is read alone.
OF_ALL = """
    SELECT job_id FROM plumbline.predictions
    WHERE (model, role, scored_at) >= (CAST(:model AS text), 'live', CAST(:since AS timestamptz))
      AND (model, role, scored_at) < (CAST(:model AS text), 'live',
                                      coalesce(CAST(:until AS timestamptz), 'infinity'))
"""
OF_SOURCE = """
    SELECT job_id FROM plumbline.predictions
    JOIN plumbline.jobs AS jobs ON jobs.id = predictions.job_id
    WHERE role = 'live' AND model = :model AND scored_at >= :since
      AND (CAST(:until AS timestamptz) IS NULL OR scored_at < :until) AND jobs.source = :source
"""
# Ids are random, so the first of them are a random sample, and always the same one. OFFSET makes
# PostgreSQL read the window and look the rows of its sample up; it cannot know how few these are.
TRAFFIC = """
WITH drawn AS MATERIALIZED (
    SELECT job_id FROM ({texts} OFFSET 0) AS texts ORDER BY job_id LIMIT :limit)
SELECT predictions.scored_at, jobs.source, probability, confidence, decision, features,
       (SELECT count(*) FROM ({texts}) AS texts) AS total
FROM drawn
CROSS JOIN LATERAL (
    SELECT * FROM plumbline.predictions
    WHERE job_id = drawn.job_id AND role = 'live' OFFSET 0) AS predictions
CROSS JOIN LATERAL (SELECT source FROM plumbline.jobs WHERE id = drawn.job_id OFFSET 0) AS jobs
ORDER BY drawn.job_id
"""


ACCEPT = text("""
INSERT INTO plumbline.accepted_references
    (model, source, window_from, window_to, rows, columns, reason, accepted_by)
VALUES (:model, :source, :window_from, :window_to, :rows, CAST(:columns AS jsonb), :reason,
        :accepted_by)
RETURNING *
""")
FIND = text("SELECT * FROM plumbline.accepted_references WHERE id = :id")
LIST = text("SELECT * FROM plumbline.accepted_references ORDER BY id DESC LIMIT :limit")
IN_FORCE = text("""
SELECT id FROM plumbline.accepted_references
WHERE model = :model AND revoked_at IS NULL AND (source IS NULL OR source = :source)
ORDER BY id DESC
""")
HAS_ACCEPTED = text("""
SELECT EXISTS (SELECT FROM plumbline.accepted_references
                WHERE model = :model AND revoked_at IS NULL)
""")
REVOKE = text("""
UPDATE plumbline.accepted_references
SET revoked_at = now(), revoked_by = :revoked_by, revoked_reason = :reason
WHERE id = :id AND revoked_at IS NULL
""")


@dataclass(frozen=True, slots=True)
class Traffic:
    """A random sample of the live predictions of a window, as columns with one row per text.

    `total` is the number of predictions in the window.
    """

    total: int
    window_from: datetime | None
    window_to: datetime | None
    columns: dict[str, list[Any]]

    @property
    def rows(self) -> int:
        return len(self.columns.get(SOURCE, ()))


def read_traffic(
    connection: Connection,
    *,
    model: str,
    since: datetime,
    until: datetime | None,
    source: str | None,
    limit: int = MAX_ROWS,
) -> Traffic:
    """Read the predictions of a window; rows of an earlier release may lack a feature."""
    parameters = {
        "model": model, "since": since, "until": until, "source": source, "limit": limit,
    }  # fmt: skip
    statement = text(TRAFFIC.format(texts=OF_ALL if source is None else OF_SOURCE))
    rows = connection.execute(statement, parameters).all()
    if not rows:
        return Traffic(0, None, None, {})
    times = [row.scored_at for row in rows]
    shared = set.intersection(*(set(row.features) for row in rows))
    columns = {
        SOURCE: [row.source for row in rows],
        "probability": [row.probability for row in rows],
        "confidence": [row.confidence for row in rows],
        "decision": [row.decision for row in rows],
    } | {name: [row.features[name] for row in rows] for name in sorted(shared)}
    return Traffic(rows[0].total, min(times), max(times), columns)


def accept(
    connection: Connection,
    traffic: Traffic,
    *,
    model: str,
    source: str | None,
    reason: str,
    accepted_by: str,
) -> Row[Any]:
    """Make the traffic the reference of the version's reports, and return the row.

    The columns are those of `storage.tables.AcceptedReference`.
    """
    values = {
        "model": model,
        "source": source,
        "window_from": traffic.window_from,
        "window_to": traffic.window_to,
        "rows": traffic.rows,
        "columns": json.dumps(traffic.columns),
        "reason": reason,
        "accepted_by": accepted_by,
    }
    return connection.execute(ACCEPT, values).one()


def find_accepted(connection: Connection, accepted_id: int) -> Row[Any] | None:
    return connection.execute(FIND, {"id": accepted_id}).one_or_none()


def in_force(
    connection: Connection, model: str, source: str | None, min_rows: int
) -> tuple[Row[Any], dict[str, list[Any]]] | None:
    """Return the accepted reference of reports on this source, and its columns.

    It is the newest one about the source or about all sources, of which the rows of the source are
    used if there are at least `min_rows`. A `source` of None has only those about all sources.
    """
    # One by one, because each contains thousands of numbers, and the newest is mostly enough.
    newest_first = connection.execute(IN_FORCE, {"model": model, "source": source})
    for accepted_id in newest_first.scalars().all():
        accepted = find_accepted(connection, accepted_id)
        assert accepted is not None, "no row is ever deleted"
        columns = columns_of(accepted.columns, source)
        if len(columns["decision"]) >= min_rows:
            return accepted, columns
    return None


def has_accepted(connection: Connection, model: str) -> bool:
    """Return whether traffic of this version is accepted, and not revoked."""
    return bool(connection.execute(HAS_ACCEPTED, {"model": model}).scalar_one())


def columns_of(columns: Mapping[str, Sequence[Any]], source: str | None) -> dict[str, list[Any]]:
    """Return the columns that are compared, of one source or of all."""
    rows = [source is None or row == source for row in columns[SOURCE]]
    return {
        name: [value for value, kept in zip(values, rows, strict=True) if kept]
        for name, values in columns.items()
        if name != SOURCE
    }


def rows_by_source(accepted: Row[Any]) -> list[tuple[str, int]]:
    """Return how many rows each source has, the largest first."""
    return Counter(accepted.columns[SOURCE]).most_common()


def list_accepted(connection: Connection, limit: int = 20) -> Sequence[Row[Any]]:
    """Return the newest first, those that were revoked as well."""
    return connection.execute(LIST, {"limit": limit}).all()


def revoke(connection: Connection, accepted_id: int, *, reason: str, revoked_by: str) -> bool:
    """Mark an accepted reference as revoked; return False if it already was, or does not exist."""
    values = {"id": accepted_id, "reason": reason, "revoked_by": revoked_by}
    return connection.execute(REVOKE, values).rowcount == 1
