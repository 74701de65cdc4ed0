"""Machines that refuse to load a model version, because it is not the one that was registered."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from sqlalchemy import Connection, text

# A worker tries again, and records the fault again, several times in this time.
CURRENT_S = 300.0

RECORD = text("""
INSERT INTO plumbline.model_faults (model, machine, reason) VALUES (:model, :machine, :reason)
ON CONFLICT (model, machine) DO UPDATE SET reason = excluded.reason, last_seen_at = now()
""")
CLEAR = text("DELETE FROM plumbline.model_faults WHERE model = :model AND machine = :machine")
CURRENT = text("""
SELECT model, machine, reason FROM plumbline.model_faults
WHERE last_seen_at > now() - make_interval(secs => :current_s) ORDER BY model, machine
""")


@dataclass(frozen=True, slots=True)
class Fault:
    """`reason` is the sentence with which `machine` refused to load `model`."""

    model: str
    machine: str
    reason: str


def record(connection: Connection, fault: Fault) -> None:
    connection.execute(RECORD, asdict(fault))


def clear(connection: Connection, model: str, machine: str) -> None:
    """Forget the fault of a version that the machine has loaded since."""
    connection.execute(CLEAR, {"model": model, "machine": machine})


def current(connection: Connection) -> list[Fault]:
    """Return the faults of the last CURRENT_S, by model and machine."""
    return [Fault(*row) for row in connection.execute(CURRENT, {"current_s": CURRENT_S})]
