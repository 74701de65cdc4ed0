"""Which model versions serve, which did, and which of them answers a job.

Every change is a new row, made by one at a time; the newest row is what serves.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, desc, insert, select, text
from sqlalchemy.dialects.postgresql import insert as upsert

from storage.tables import Action, Deployment, ModelVersion

# Any constant will do, as long as everybody who deploys takes the same one.
LOCK = 0x6465706C6F79


@dataclass(frozen=True, slots=True)
class Serving:
    """What serves, each a version as "name/1.2.3".

    `canary` answers its share of jobs (`in_canary_share`), `live` all others, `shadow` none.
    """

    live: str
    shadow: str | None = None
    canary: str | None = None
    canary_share: float = 0.0


def in_canary_share(job: uuid.UUID, share: float) -> bool:
    """Whether a job belongs to this share of all: its id's SHA-256, as a number below 1, decides.

    A larger share holds all jobs of a smaller one.
    """
    return int.from_bytes(hashlib.sha256(job.bytes).digest(), "big") / 2**256 < share


@dataclass(frozen=True, slots=True)
class _Newest:
    """What of the newest deployment the next one builds on."""

    id: int
    model: str
    shadow: str | None
    canary: str | None
    canary_share: float | None
    returns_to: int | None


@dataclass(frozen=True, slots=True)
class DeploymentRecord:
    """One line of the history: `model` answers from then on; fields as in `Deployment`."""

    model: str
    deployed_by: str
    reason: str
    deployed_at: datetime
    forced: bool
    action: str
    shadow: str | None
    canary: str | None
    canary_share: float | None


def serving(connection: Connection) -> Serving | None:
    """What serves; None before the first deployment."""
    newest = _newest(connection)
    if newest is None:
        return None
    return Serving(newest.model, newest.shadow, newest.canary, newest.canary_share or 0.0)


def live_model(connection: Connection) -> str | None:
    """The version that answers, canary or not; None before the first deployment."""
    found = serving(connection)
    return found.live if found else None


def history(connection: Connection, limit: int = 20) -> list[DeploymentRecord]:
    """The newest deployments first."""
    columns = (
        Deployment.model, Deployment.deployed_by, Deployment.reason, Deployment.deployed_at,
        Deployment.forced, Deployment.action, Deployment.shadow, Deployment.canary,
        Deployment.canary_share,
    )  # fmt: skip
    rows = connection.execute(select(*columns).order_by(desc(Deployment.id)).limit(limit))
    return [DeploymentRecord(*row) for row in rows]


def previous_model(connection: Connection) -> str | None:
    """The version a rollback returns to: what was live before, without what was rolled back."""
    newest = _newest(connection)
    if newest is None or newest.returns_to is None:
        return None
    before = select(Deployment.model).where(Deployment.id == newest.returns_to)
    return connection.execute(before).scalar_one()


def lock_deployments(connection: Connection) -> None:
    """Wait until nobody else deploys; until the end of the transaction nobody else will."""
    connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": LOCK})


def register(
    connection: Connection,
    model: str,
    *,
    manifest_sha256: str,
    metrics: dict[str, Any],
    labels: Sequence[str] = (),
) -> None:
    """Write down a version that may serve.

    `labels` are its names of (negative, positive), by which its jobs may be labelled later.
    """
    described = {"manifest_sha256": manifest_sha256, "metrics": metrics, "labels": list(labels)}
    connection.execute(
        upsert(ModelVersion)
        .values(model=model, **described)
        .on_conflict_do_update(index_elements=[ModelVersion.model], set_=described)
    )


def promote(
    connection: Connection,
    model: str,
    *,
    manifest_sha256: str,
    metrics: dict[str, Any],
    deployed_by: str,
    reason: str,
    labels: Sequence[str] = (),
    forced: bool = False,
) -> None:
    """Register `model` and make it the one that answers, alone: no shadow and no canary stays.

    Workers change over before their next message. `forced` tells that it answers in spite of its
    gates.
    """
    lock_deployments(connection)
    register(connection, model, manifest_sha256=manifest_sha256, metrics=metrics, labels=labels)
    newest = _newest(connection)
    if newest is None:
        returns_to = None
    else:
        returns_to = newest.returns_to if newest.model == model else newest.id
    _insert(
        connection,
        action=Action.PROMOTE,
        model=model,
        returns_to=returns_to,
        deployed_by=deployed_by,
        reason=reason,
        forced=forced,
    )


def promote_first(
    connection: Connection,
    model: str,
    *,
    manifest_sha256: str,
    metrics: dict[str, Any],
    labels: Sequence[str] = (),
) -> bool:
    """Make `model` serve if nothing ever did, so that history starts with the default version."""
    lock_deployments(connection)
    if live_model(connection) is not None:
        return False
    promote(
        connection,
        model,
        manifest_sha256=manifest_sha256,
        metrics=metrics,
        labels=labels,
        deployed_by="plumbline",
        reason="the first start",
    )
    return True


def roll_back(connection: Connection, *, deployed_by: str, reason: str) -> None:
    """Return to `previous_model`, which must be there; no shadow and no canary stays.

    The next rollback goes further back, and never to what this one took away.
    """
    lock_deployments(connection)
    newest = _serving_row(connection)
    assert newest.returns_to is not None, "previous_model says whether there is one"
    target = select(Deployment.model, Deployment.returns_to).where(
        Deployment.id == newest.returns_to
    )
    before = connection.execute(target).one()
    _insert(
        connection,
        action=Action.ROLLBACK,
        model=before.model,
        returns_to=before.returns_to,
        deployed_by=deployed_by,
        reason=reason,
    )


def set_shadow(connection: Connection, model: str | None, *, deployed_by: str, reason: str) -> None:
    """Have a registered version score beside what serves, or none; the rest stays."""
    lock_deployments(connection)
    _change(connection, action=Action.SHADOW, shadow=model, deployed_by=deployed_by, reason=reason)


def set_canary(
    connection: Connection,
    model: str | None,
    share: float | None,
    *,
    deployed_by: str,
    reason: str,
    forced: bool = False,
) -> None:
    """Have a registered version answer this share of jobs, or none (both None); the rest stays."""
    lock_deployments(connection)
    _change(
        connection,
        action=Action.CANARY,
        canary=model,
        canary_share=share,
        deployed_by=deployed_by,
        reason=reason,
        forced=forced,
    )


def _newest(connection: Connection) -> _Newest | None:
    columns = (
        Deployment.id, Deployment.model, Deployment.shadow, Deployment.canary,
        Deployment.canary_share, Deployment.returns_to,
    )  # fmt: skip
    newest = select(*columns).order_by(desc(Deployment.id)).limit(1)
    row = connection.execute(newest).one_or_none()
    return _Newest(*row) if row is not None else None


def _serving_row(connection: Connection) -> _Newest:
    newest = _newest(connection)
    assert newest is not None, "nothing is live, so there is nothing to change"
    return newest


def _change(connection: Connection, **changed: Any) -> None:
    newest = _serving_row(connection)
    kept = {name: value for name, value in asdict(newest).items() if name != "id"}
    _insert(connection, **kept | changed)


def _insert(connection: Connection, **values: Any) -> None:
    connection.execute(insert(Deployment).values(**values))
