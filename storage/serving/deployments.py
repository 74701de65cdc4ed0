"""Deployments: which model versions serve, which ones did, and which one answers a job.

Every change is a new row, written under a lock; the newest row is the current deployment.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, text

from storage.errors import VersionChanged
from storage.locks import Lock, lock
from storage.serving.newest import NEWEST_DEPLOYMENT
from storage.states import Action

NEWEST = text(NEWEST_DEPLOYMENT)
HISTORY = text("""
SELECT model, deployed_by, reason, deployed_at, forced, action, shadow, canary, canary_share
FROM plumbline.deployments ORDER BY id DESC LIMIT :limit
""")
BY_ID = text("SELECT model, returns_to FROM plumbline.deployments WHERE id = :id")
DEPLOY = text("""
INSERT INTO plumbline.deployments
    (model, shadow, canary, canary_share, action, returns_to, deployed_by, reason, forced)
VALUES (:model, :shadow, :canary, :canary_share, :action, :returns_to, :deployed_by, :reason,
        :forced)
""")

# The first deployment after the last one with another live version.
LIVE_SINCE = text(f"""
SELECT min(same.deployed_at)
FROM plumbline.deployments AS same, ({NEWEST_DEPLOYMENT}) AS newest
WHERE same.model = newest.model AND same.id > coalesce((
    SELECT max(other.id) FROM plumbline.deployments AS other WHERE other.model <> newest.model
), 0)
""")

REGISTERED_SHA256 = text("""
SELECT manifest_sha256 FROM plumbline.model_versions WHERE model = :model
""")
REGISTERED_LABELS = text("SELECT labels FROM plumbline.model_versions WHERE model = :model")
REGISTER = text("""
INSERT INTO plumbline.model_versions (model, manifest_sha256, metrics, labels)
VALUES (:model, :manifest_sha256, CAST(:metrics AS jsonb), :labels)
ON CONFLICT (model) DO UPDATE SET manifest_sha256 = excluded.manifest_sha256,
    metrics = excluded.metrics, labels = excluded.labels
""")


@dataclass(frozen=True, slots=True)
class Serving:
    """The current deployment; each version is written as "name/1.2.3".

    `canary` answers its share of jobs (see `in_canary_share`), `live` all others, `shadow` none.
    """

    live: str
    shadow: str | None = None
    canary: str | None = None
    canary_share: float = 0.0


def in_canary_share(job: uuid.UUID, share: float) -> bool:
    """Return whether a job belongs to this share of all jobs.

    The SHA-256 of its id, as a number in [0, 1), decides. A larger share contains all jobs of a
    smaller one.
    """
    return int.from_bytes(hashlib.sha256(job.bytes).digest(), "big") / 2**256 < share


@dataclass(frozen=True, slots=True)
class VersionRecord:
    """A model version as its manifest describes it.

    `labels` are its names of the negative and the positive class; a job that the version scored may
    be labelled with these names.
    """

    model: str
    manifest_sha256: str
    metrics: dict[str, Any]
    labels: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class DeploymentRecord:
    """One entry of the history. The fields are those of `storage.tables.Deployment`."""

    model: str
    deployed_by: str
    reason: str
    deployed_at: datetime
    forced: bool
    action: str
    shadow: str | None
    canary: str | None
    canary_share: float | None


@dataclass(frozen=True, slots=True)
class _CurrentDeployment:
    """The part of the newest deployment that the next one builds on."""

    id: int
    model: str
    shadow: str | None
    canary: str | None
    canary_share: float | None
    returns_to: int | None


def serving(connection: Connection) -> Serving | None:
    """Return the current deployment; None before the first one."""
    current = _current(connection)
    if current is None:
        return None
    return Serving(current.model, current.shadow, current.canary, current.canary_share or 0.0)


def live_model(connection: Connection) -> str | None:
    """Return the live version; None before the first deployment."""
    current = serving(connection)
    return current.live if current else None


def live_since(connection: Connection) -> datetime | None:
    """Return when the live version went live; None before the first deployment."""
    since: datetime | None = connection.execute(LIVE_SINCE).scalar_one()
    return since


def history(connection: Connection, limit: int = 20) -> list[DeploymentRecord]:
    """Return the newest deployments first."""
    return [DeploymentRecord(*row) for row in connection.execute(HISTORY, {"limit": limit})]


def previous_model(connection: Connection) -> str | None:
    """Return the version that a rollback restores: the one live before, not one rolled back."""
    current = _current(connection)
    if current is None or current.returns_to is None:
        return None
    previous: str = connection.execute(BY_ID, {"id": current.returns_to}).one().model
    return previous


def lock_deployments(connection: Connection) -> None:
    """Keep other processes from deploying until the end of the transaction; wait for them first."""
    lock(connection, Lock.DEPLOY)


def registered_sha256(connection: Connection, model: str) -> str | None:
    """Return the hash of the version's manifest when it was registered; None if it never was."""
    return connection.execute(REGISTERED_SHA256, {"model": model}).scalar_one_or_none()


def registered_labels(connection: Connection, model: str) -> tuple[str, str] | None:
    """Return the version's negative and positive class; None if they were never registered."""
    labels = connection.execute(REGISTERED_LABELS, {"model": model}).scalar_one_or_none()
    return (labels[0], labels[1]) if labels else None


def register(connection: Connection, version: VersionRecord, *, replace: bool = False) -> None:
    """Record a version that may serve.

    Raises VersionChanged if it is registered with other content, unless `replace` is set.
    """
    registered = registered_sha256(connection, version.model)
    if registered not in (None, version.manifest_sha256) and not replace:
        raise VersionChanged(
            f"{version.model} is registered with other content (the SHA-256 of its manifest was "
            f"{str(registered)[:12]}... and is {version.manifest_sha256[:12]}...); restore its "
            "files, or give the new content a version number of its own."
        )
    # psycopg writes a tuple as a composite type, not as an array.
    labels, metrics = list(version.labels), json.dumps(version.metrics)
    connection.execute(REGISTER, asdict(version) | {"labels": labels, "metrics": metrics})


def promote(
    connection: Connection,
    version: VersionRecord,
    *,
    deployed_by: str,
    reason: str,
    forced: bool = False,
    replace: bool = False,
) -> None:
    """Register a version and make it live, without a shadow or a canary.

    Workers switch to it before their next message. `forced` records that it failed its gates, and
    `replace` accepts other content than was registered. Raises VersionChanged.
    """
    lock_deployments(connection)
    register(connection, version, replace=replace)
    current = _current(connection)
    if current is None:
        returns_to = None
    else:
        returns_to = current.returns_to if current.model == version.model else current.id
    _deploy(
        connection,
        Action.PROMOTE,
        model=version.model,
        returns_to=returns_to,
        deployed_by=deployed_by,
        reason=reason,
        forced=forced,
    )


def promote_first(connection: Connection, version: VersionRecord) -> bool:
    """Make a version live if none ever was, so that the history starts with the default version."""
    lock_deployments(connection)
    if live_model(connection) is not None:
        return False
    promote(connection, version, deployed_by="plumbline", reason="the first start")
    return True


def roll_back(connection: Connection, *, deployed_by: str, reason: str) -> None:
    """Return to `previous_model`, which must exist, without a shadow or a canary.

    The next rollback goes further back, and never to the version that this one removed.
    """
    lock_deployments(connection)
    current = _require_current(connection)
    assert current.returns_to is not None, "the caller checks previous_model first"
    previous = connection.execute(BY_ID, {"id": current.returns_to}).one()
    _deploy(
        connection,
        Action.ROLLBACK,
        model=previous.model,
        returns_to=previous.returns_to,
        deployed_by=deployed_by,
        reason=reason,
    )


def set_shadow(connection: Connection, model: str | None, *, deployed_by: str, reason: str) -> None:
    """Make a registered version the shadow, or None to have none; everything else stays."""
    lock_deployments(connection)
    _change(connection, Action.SHADOW, shadow=model, deployed_by=deployed_by, reason=reason)


def set_canary(
    connection: Connection,
    model: str | None,
    share: float | None,
    *,
    deployed_by: str,
    reason: str,
    forced: bool = False,
) -> None:
    """Make a registered version the canary for a share of jobs; both None to have none.

    Everything else stays.
    """
    lock_deployments(connection)
    _change(
        connection,
        Action.CANARY,
        canary=model,
        canary_share=share,
        deployed_by=deployed_by,
        reason=reason,
        forced=forced,
    )


def _current(connection: Connection) -> _CurrentDeployment | None:
    row = connection.execute(NEWEST).one_or_none()
    if row is None:
        return None
    names = _CurrentDeployment.__slots__
    return _CurrentDeployment(**{name: getattr(row, name) for name in names})


def _require_current(connection: Connection) -> _CurrentDeployment:
    current = _current(connection)
    assert current is not None, "the caller checks that a version is live first"
    return current


def _change(connection: Connection, action: Action, **changes: Any) -> None:
    current = asdict(_require_current(connection))
    del current["id"]
    _deploy(connection, action, **current | changes)


def _deploy(connection: Connection, action: Action, **values: Any) -> None:
    """Insert a deployment; what `values` leave out is not set."""
    unset = {"shadow": None, "canary": None, "canary_share": None, "forced": False}
    connection.execute(DEPLOY, unset | values | {"action": str(action)})
