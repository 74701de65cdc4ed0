"""Machines that refuse to load a model version, because it is not the one that was registered."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, delete, func, select
from sqlalchemy.dialects.postgresql import insert as upsert

from storage.tables import ModelFault

# A worker tries again, and records the fault again, several times in this time.
CURRENT_S = 300.0


@dataclass(frozen=True, slots=True)
class Fault:
    """`reason` is the sentence with which `machine` refused to load `model`."""

    model: str
    machine: str
    reason: str


def record(connection: Connection, fault: Fault) -> None:
    changes = {"reason": fault.reason, "last_seen_at": func.now()}
    connection.execute(
        upsert(ModelFault)
        .values(model=fault.model, machine=fault.machine, reason=fault.reason)
        .on_conflict_do_update(index_elements=["model", "machine"], set_=changes)
    )


def clear(connection: Connection, model: str, machine: str) -> None:
    """Forget the fault of a version that the machine has loaded since."""
    connection.execute(
        delete(ModelFault).where(ModelFault.model == model, ModelFault.machine == machine)
    )


def current(connection: Connection) -> list[Fault]:
    """Return the faults of the last CURRENT_S, by model and machine."""
    recent = ModelFault.last_seen_at > func.now() - func.make_interval(0, 0, 0, 0, 0, 0, CURRENT_S)
    columns = (ModelFault.model, ModelFault.machine, ModelFault.reason)
    rows = connection.execute(
        select(*columns).where(recent).order_by(ModelFault.model, ModelFault.machine)
    )
    return [Fault(*row) for row in rows]
