"""The names of labellers, and which roles and sources may label under them.

Without a grant a role labels under its own name, and messages in a source's list under the name of
the source.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, text

from storage.sources import BOUND
from storage.states import GranteeKind

ALL = text("""
SELECT name, kind, grantee, granted_by, granted_at FROM plumbline.labellers
ORDER BY name, kind, grantee
""")
GRANT = text("""
INSERT INTO plumbline.labellers (name, kind, grantee, granted_by)
VALUES (:name, :kind, :grantee, :by) ON CONFLICT DO NOTHING
""")
REVOKE = text("""
DELETE FROM plumbline.labellers WHERE name = :name AND kind = :kind AND grantee = :grantee
RETURNING name
""")

OWN_NAME = text("""
SELECT CASE WHEN plumbline.may_label_as(:preferred) THEN :preferred
            ELSE CAST(session_user AS text) END
""")

REFUSED_TO_SESSION = text("""
SELECT name FROM unnest(CAST(:names AS text[])) AS names (name)
WHERE NOT plumbline.may_label_as(name) ORDER BY name LIMIT 1
""")
# A message in an ordinary list may use any name that belongs to nobody.
REFUSED_TO_MESSAGE = text(f"""
SELECT name FROM unnest(CAST(:names AS text[])) AS names (name)
WHERE CASE
    WHEN CAST(:sender AS text) IS NULL THEN
        name IN ({BOUND}) OR name IN (SELECT name FROM plumbline.labellers)
    ELSE name <> :sender AND NOT EXISTS (
        SELECT FROM plumbline.labellers AS granted
        WHERE granted.name = names.name AND kind = 'source' AND grantee = :sender
    )
END
ORDER BY name LIMIT 1
""")


@dataclass(frozen=True, slots=True)
class Grant:
    """The right of `grantee` to label as `name`."""

    name: str
    kind: GranteeKind
    grantee: str


@dataclass(frozen=True, slots=True)
class GrantRecord:
    grant: Grant
    granted_by: str
    granted_at: datetime


def find_grants(connection: Connection) -> list[GrantRecord]:
    return [
        GrantRecord(
            Grant(row.name, GranteeKind(row.kind), row.grantee), row.granted_by, row.granted_at
        )
        for row in connection.execute(ALL)
    ]


def grant(connection: Connection, wanted: Grant, by: str) -> None:
    """Let a role or a source label under a name."""
    connection.execute(GRANT, _parameters(wanted) | {"by": by})


def revoke(connection: Connection, unwanted: Grant) -> bool:
    """Take the right back; return whether it existed. Labels that were written stay."""
    return connection.execute(REVOKE, _parameters(unwanted)).first() is not None


def own_name(connection: Connection, preferred: str) -> str:
    """Return the preferred name if the session's user may label under it, else its own."""
    return str(connection.execute(OWN_NAME, {"preferred": preferred}).scalar_one())


def refused_to_session(connection: Connection, names: Iterable[str]) -> str | None:
    """Return a name under which the session's user may not label, if there is one."""
    return connection.execute(REFUSED_TO_SESSION, {"names": list(names)}).scalar_one_or_none()


def refused_to_message(
    connection: Connection, names: Iterable[str], sender: str | None
) -> str | None:
    """Return a name under which a message may not label, if there is one.

    `sender` is the bound source in whose list it came.
    """
    parameters = {"names": list(names), "sender": sender}
    return connection.execute(REFUSED_TO_MESSAGE, parameters).scalar_one_or_none()


def _parameters(wanted: Grant) -> dict[str, str]:
    return {"name": wanted.name, "kind": wanted.kind, "grantee": wanted.grantee}
