"""Which model version serves, and which did."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, desc, insert, select, text
from sqlalchemy.dialects.postgresql import insert as upsert

from storage.tables import Deployment, ModelVersion

FIRST_LOCK = 0x6669727374


@dataclass(frozen=True, slots=True)
class Deployed:
    """One line of the history."""

    model: str
    deployed_by: str
    reason: str
    deployed_at: datetime


def live_model(connection: Connection) -> str | None:
    """The version that serves, as "name/1.2.3"; None before the first deployment."""
    newest = select(Deployment.model).order_by(desc(Deployment.id)).limit(1)
    return connection.execute(newest).scalar_one_or_none()


def history(connection: Connection, limit: int = 20) -> list[Deployed]:
    """The newest deployments first."""
    columns = (
        Deployment.model, Deployment.deployed_by, Deployment.reason, Deployment.deployed_at
    )  # fmt: skip
    rows = connection.execute(select(*columns).order_by(desc(Deployment.id)).limit(limit))
    return [Deployed(*row) for row in rows]


def previous_model(connection: Connection) -> str | None:
    """The version that served before the one that does now: what a rollback returns to."""
    live = live_model(connection)
    before = (
        select(Deployment.model)
        .where(Deployment.model != live)
        .order_by(desc(Deployment.id))
        .limit(1)
    )
    return connection.execute(before).scalar_one_or_none()


def promote(
    connection: Connection,
    model: str,
    *,
    manifest_sha256: str,
    metrics: dict[str, Any],
    deployed_by: str,
    reason: str,
) -> None:
    """Make `model` the one that serves; workers change over before their next message."""
    connection.execute(
        upsert(ModelVersion)
        .values(model=model, manifest_sha256=manifest_sha256, metrics=metrics)
        .on_conflict_do_update(
            index_elements=[ModelVersion.model],
            set_={"manifest_sha256": manifest_sha256, "metrics": metrics},
        )
    )
    connection.execute(
        insert(Deployment).values(model=model, deployed_by=deployed_by, reason=reason)
    )


def promote_first(
    connection: Connection, model: str, *, manifest_sha256: str, metrics: dict[str, Any]
) -> bool:
    """Make `model` serve if nothing ever did, so that history starts with the default version."""
    connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": FIRST_LOCK})
    if live_model(connection) is not None:
        return False
    promote(
        connection,
        model,
        manifest_sha256=manifest_sha256,
        metrics=metrics,
        deployed_by="plumbline",
        reason="the first start",
    )
    return True
