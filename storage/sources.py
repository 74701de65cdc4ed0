"""Sources that belong to somebody: which roles and which lists may bring the texts of a source.

A source that an operator binds may be used only as it is bound: in SQL by the members of its roles,
on the message path by messages in its own list. All others are open to everybody, or to nobody but
the operators if the installation is closed.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, text

from storage.direct import Executor

CLOSED = "EXISTS (SELECT FROM plumbline.source_policy WHERE closed)"
# SQL for the names of the bound sources.
BOUND = """
    SELECT name FROM plumbline.sources WHERE queue
    UNION ALL SELECT source FROM plumbline.source_roles
"""

BINDING = text(f"""
SELECT {CLOSED} AS closed, EXISTS (SELECT FROM ({BOUND}) AS bound WHERE name = :source) AS bound,
       EXISTS (SELECT FROM plumbline.sources WHERE name = :source AND queue) AS queue
""")

LISTED = text("SELECT name FROM plumbline.sources ORDER BY name")

ALL = text("""
SELECT name, queue, changed_by, changed_at,
       ARRAY(SELECT role FROM plumbline.source_roles AS roles WHERE roles.source = sources.name
             ORDER BY role) AS roles
FROM plumbline.sources AS sources ORDER BY name
""")

# What is bound already stays bound.
BIND = text("""
INSERT INTO plumbline.sources AS sources (name, queue, changed_by)
VALUES (:source, :queue, :by)
ON CONFLICT (name) DO UPDATE
SET queue = sources.queue OR excluded.queue, changed_by = :by, changed_at = now()
""")
BIND_ROLE = text("""
INSERT INTO plumbline.source_roles (source, role) VALUES (:source, :role) ON CONFLICT DO NOTHING
""")

UNBIND_ROLES = text("""
DELETE FROM plumbline.source_roles
WHERE source = :source AND (CAST(:role AS text) IS NULL OR role = :role)
RETURNING role
""")
UNBIND_QUEUE = text("""
UPDATE plumbline.sources SET queue = false WHERE name = :source AND queue RETURNING name
""")
RECORD = text("""
UPDATE plumbline.sources SET changed_by = :by, changed_at = now() WHERE name = :source
""")

IS_CLOSED = text(f"SELECT {CLOSED}")
SET_POLICY = text("""
INSERT INTO plumbline.source_policy (closed, changed_by, changed_at) VALUES (:closed, :by, now())
ON CONFLICT (singleton) DO UPDATE
SET closed = excluded.closed, changed_by = excluded.changed_by, changed_at = excluded.changed_at
""")

ROLE_EXISTS = text("SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = :role)")
# What a role needs to submit in SQL, and from whom it usually has it.
CANNOT_SUBMIT = text("""
SELECT NOT has_function_privilege(
    CAST(:role AS name), 'plumbline.submit_v1(text, text, text, timestamptz)', 'EXECUTE'
)
""")


@dataclass(frozen=True, slots=True)
class Binding:
    """What operators decided about one source.

    `bound` is whether it belongs to somebody, `queue` whether its own list may bring its texts,
    and `closed` whether sources that are not bound are refused.
    """

    bound: bool
    queue: bool
    closed: bool


@dataclass(frozen=True, slots=True)
class Source:
    """A source that is bound, or that was: then it has no roles and no queue."""

    name: str
    roles: tuple[str, ...]
    queue: bool
    changed_by: str
    changed_at: datetime


def binding_of(connection: Executor, source: str) -> Binding:
    (row,) = connection.execute(BINDING, {"source": source})
    return Binding(bound=row.bound, queue=row.queue, closed=row.closed)


def listed_sources(connection: Connection) -> list[str]:
    """Return the sources whose lists are read: those that are bound, and those that were.

    The list of a source that was released may still hold messages.
    """
    return list(connection.execute(LISTED).scalars())


def find_sources(connection: Connection) -> list[Source]:
    return [
        Source(row.name, tuple(row.roles), row.queue, row.changed_by, row.changed_at)
        for row in connection.execute(ALL)
    ]


def bind(connection: Connection, source: str, by: str, role: str | None, queue: bool) -> None:
    """Bind a source to a role, to its list, or to both, beside what it is bound to already."""
    connection.execute(BIND, {"source": source, "queue": queue, "by": by})
    if role is not None:
        connection.execute(BIND_ROLE, {"source": source, "role": role})


def unbind(connection: Connection, source: str, by: str, role: str | None, queue: bool) -> bool:
    """Release a source from a role, from its list, or, without either, from all.

    Returns whether it was bound to what it is released from.
    """
    released = False
    everything = role is None and not queue
    if role is not None or everything:
        rows = connection.execute(UNBIND_ROLES, {"source": source, "role": role})
        released |= bool(rows.all())
    if queue or everything:
        released |= bool(connection.execute(UNBIND_QUEUE, {"source": source}).all())
    if released:
        connection.execute(RECORD, {"source": source, "by": by})
    return released


def is_closed(connection: Connection) -> bool:
    return bool(connection.execute(IS_CLOSED).scalar_one())


def set_closed(connection: Connection, closed: bool, by: str) -> None:
    """Refuse sources that are not bound, or accept them again."""
    connection.execute(SET_POLICY, {"closed": closed, "by": by})


def role_exists(connection: Connection, role: str) -> bool:
    return bool(connection.execute(ROLE_EXISTS, {"role": role}).scalar_one())


def cannot_submit(connection: Connection, role: str) -> bool:
    """Return whether the role lacks the right to call `submit_v1`."""
    return bool(connection.execute(CANNOT_SUBMIT, {"role": role}).scalar_one())
