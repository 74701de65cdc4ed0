"""Windows of live traffic that somebody accepted as the normal of a version.

A copy of the predictions' numbers is kept, and no text, so that the reference outlives them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, desc, insert, or_, select, text, update
from sqlalchemy.orm import Session

from storage.database import now
from storage.tables import AcceptedReference

# More rows make a reference no better, only larger: 5,000 rows are about 1 MB of JSON.
MAX_ROWS = 5_000
# The column with each row's source, next to those that are compared.
SOURCE = "source"

# The hash of the job id makes the choice random and repeatable.
TRAFFIC = text("""
SELECT scored_at, jobs.source, probability, confidence, decision, features,
       count(*) OVER () AS total
FROM plumbline.predictions AS predictions
JOIN plumbline.jobs AS jobs ON jobs.id = predictions.job_id
WHERE role = 'live' AND model = :model AND scored_at >= :since
  AND (CAST(:until AS timestamptz) IS NULL OR scored_at < :until)
  AND (CAST(:source AS text) IS NULL OR jobs.source = :source)
ORDER BY md5(CAST(predictions.job_id AS text)) LIMIT :limit
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
    rows = connection.execute(TRAFFIC, parameters).all()
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
) -> AcceptedReference:
    """Make the traffic the reference of the version's reports, and return the row."""
    statement = insert(AcceptedReference).values(
        model=model,
        source=source,
        window_from=traffic.window_from,
        window_to=traffic.window_to,
        rows=traffic.rows,
        columns=traffic.columns,
        reason=reason,
        accepted_by=accepted_by,
    )
    accepted_id = connection.execute(statement.returning(AcceptedReference.id)).scalar_one()
    accepted = find_accepted(connection, accepted_id)
    assert accepted is not None, "this transaction has written it"
    return accepted


def find_accepted(connection: Connection, accepted_id: int) -> AcceptedReference | None:
    with Session(connection) as session:
        return session.get(AcceptedReference, accepted_id)


def in_force(
    connection: Connection, model: str, source: str | None, min_rows: int
) -> tuple[AcceptedReference, dict[str, list[Any]]] | None:
    """Return the accepted reference of reports on this source, and its columns.

    It is the newest one about the source or about all sources, of which the rows of the source are
    used if there are at least `min_rows`. A `source` of None has only those about all sources.
    """
    everything = AcceptedReference.source.is_(None)
    about = everything if source is None else or_(everything, AcceptedReference.source == source)
    # One by one, because each contains thousands of numbers, and the newest is mostly enough.
    newest_first = (
        select(AcceptedReference.id)
        .where(AcceptedReference.model == model, AcceptedReference.revoked_at.is_(None), about)
        .order_by(desc(AcceptedReference.id))
    )
    for accepted_id in connection.execute(newest_first).scalars().all():
        accepted = find_accepted(connection, accepted_id)
        assert accepted is not None, "no row is ever deleted"
        columns = columns_of(accepted.columns, source)
        if len(columns["decision"]) >= min_rows:
            return accepted, columns
    return None


def has_accepted(connection: Connection, model: str) -> bool:
    """Return whether traffic of this version is accepted, and not revoked."""
    accepted = select(AcceptedReference.id).where(
        AcceptedReference.model == model, AcceptedReference.revoked_at.is_(None)
    )
    return connection.execute(accepted.limit(1)).first() is not None


def columns_of(columns: Mapping[str, Sequence[Any]], source: str | None) -> dict[str, list[Any]]:
    """Return the columns that are compared, of one source or of all."""
    rows = [source is None or row == source for row in columns[SOURCE]]
    return {
        name: [value for value, kept in zip(values, rows, strict=True) if kept]
        for name, values in columns.items()
        if name != SOURCE
    }


def rows_by_source(accepted: AcceptedReference) -> list[tuple[str, int]]:
    """Return how many rows each source has, the largest first."""
    return Counter(accepted.columns[SOURCE]).most_common()


def list_accepted(connection: Connection, limit: int = 20) -> list[AcceptedReference]:
    """Return the newest first, those that were revoked as well."""
    statement = select(AcceptedReference).order_by(desc(AcceptedReference.id)).limit(limit)
    with Session(connection) as session:
        return list(session.scalars(statement))


def revoke(connection: Connection, accepted_id: int, *, reason: str, revoked_by: str) -> bool:
    """Mark an accepted reference as revoked; return False if it already was, or does not exist."""
    statement = (
        update(AcceptedReference)
        .where(AcceptedReference.id == accepted_id, AcceptedReference.revoked_at.is_(None))
        .values(revoked_at=now(connection), revoked_by=revoked_by, revoked_reason=reason)
    )
    return connection.execute(statement).rowcount == 1
