"""Alerts and their notices: opened, updated, resolved, and delivered to the webhook."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, text

from storage.locks import Lock
from storage.locks import try_lock as try_advisory_lock
from storage.states import NoticeStatus

OPEN_ALERTS = text("""
SELECT * FROM plumbline.alerts WHERE resolved_at IS NULL ORDER BY severity, raised_at, id
""")
RESOLVED_ALERTS = text("""
SELECT * FROM plumbline.alerts WHERE resolved_at IS NOT NULL
ORDER BY resolved_at DESC, id DESC LIMIT :limit
""")

# clock_timestamp() instead of now(), because the next attempt is due after this one and not after
# the start of its transaction.
CLAIM_NOTICE = text("""
UPDATE plumbline.alert_notices AS notices
SET attempts = attempts + 1,
    next_attempt_at = clock_timestamp()
        + make_interval(secs => least(:longest_s, :first_s * power(2, least(attempts, 20))))
FROM plumbline.alerts AS alerts
WHERE alerts.id = notices.alert_id AND (notices.alert_id, notices.status) IN (
    SELECT alert_id, status FROM plumbline.alert_notices AS due
    WHERE delivered_at IS NULL AND given_up_at IS NULL
      -- No pause is so long, unless PostgreSQL's clock was set back.
      AND next_attempt_at NOT BETWEEN clock_timestamp()
                                  AND clock_timestamp() + make_interval(secs => :longest_s)
      -- An alert is reported as resolved only after it was reported as raised.
      AND NOT EXISTS (
          SELECT FROM plumbline.alert_notices AS earlier
          WHERE due.status = 'resolved' AND earlier.alert_id = due.alert_id
            AND earlier.status = 'raised'
            AND earlier.delivered_at IS NULL AND earlier.given_up_at IS NULL)
    ORDER BY next_attempt_at, alert_id, status
    LIMIT 1 FOR UPDATE SKIP LOCKED)
RETURNING alerts.id, notices.status, notices.attempts, alerts.rule, alerts.subject,
          alerts.severity, alerts.message, alerts.value, alerts.threshold, alerts.raised_at,
          alerts.resolved_at, clock_timestamp() AS claimed_at
""")

MARK_DELIVERED = text("""
UPDATE plumbline.alert_notices SET delivered_at = clock_timestamp(), error = NULL
WHERE alert_id = :id AND status = :status
""")

MARK_FAILED = text("""
UPDATE plumbline.alert_notices
SET error = :error, given_up_at = CASE
        WHEN created_at < clock_timestamp() - make_interval(secs => :give_up_s)
        THEN clock_timestamp() END
WHERE alert_id = :id AND status = :status AND delivered_at IS NULL
RETURNING given_up_at IS NOT NULL
""")

OPEN = text("""
INSERT INTO plumbline.alerts (rule, subject, severity, message, value, threshold)
VALUES (:rule, :subject, :severity, :message, :value, :threshold)
ON CONFLICT (rule, subject) WHERE resolved_at IS NULL DO NOTHING
RETURNING id
""")

UPDATE_OPEN = text("""
UPDATE plumbline.alerts
SET last_seen_at = now(), clear_since = NULL, message = :message, value = :value,
    threshold = :threshold, severity = :severity
WHERE rule = :rule AND subject = :subject AND resolved_at IS NULL
""")

MARK_CLEAR = text("""
UPDATE plumbline.alerts
SET clear_since = least(clear_since, now()),
    resolved_at = CASE WHEN least(clear_since, now())
                            <= now() - make_interval(secs => :clear_s) THEN now() END
WHERE id = ANY (CAST(:ids AS int8[])) AND resolved_at IS NULL
RETURNING id, resolved_at IS NOT NULL AS resolved
""")

ADD_NOTICES = text("""
INSERT INTO plumbline.alert_notices (alert_id, status)
SELECT unnest(CAST(:ids AS int8[])), :status ON CONFLICT DO NOTHING
""")


@dataclass(frozen=True, slots=True)
class Condition:
    """An alert condition that holds. `message` is one sentence with `value` and `threshold`."""

    rule: str
    subject: str
    severity: str
    value: float
    threshold: float
    message: str


@dataclass(frozen=True, slots=True)
class Notice:
    """A message to the webhook about an alert. `id` is the alert's; `attempts` counts this one.

    `claimed_at` is the time of this attempt by PostgreSQL's clock.
    """

    id: int
    status: str
    attempts: int
    rule: str
    subject: str
    severity: str
    message: str
    value: float
    threshold: float
    raised_at: datetime
    resolved_at: datetime | None
    claimed_at: datetime


def try_lock(connection: Connection) -> bool:
    """Take the evaluation lock until the transaction ends; False if another process holds it."""
    return try_advisory_lock(connection, Lock.EVALUATE_ALERTS)


def open_alerts(connection: Connection) -> Sequence[Row[Any]]:
    """Return the alerts that are not resolved, the critical and oldest first.

    The columns are those of `storage.tables.Alert`.
    """
    return connection.execute(OPEN_ALERTS).all()


def resolved_alerts(connection: Connection, limit: int = 20) -> Sequence[Row[Any]]:
    """Return the alerts that were resolved last, the newest first."""
    return connection.execute(RESOLVED_ALERTS, {"limit": limit}).all()


def open_alert(connection: Connection, condition: Condition) -> int | None:
    """Open an alert and return its id; None if one with this rule and subject is already open."""
    alert_id: int | None = connection.execute(OPEN, asdict(condition)).scalar_one_or_none()
    return alert_id


def update_open_alert(connection: Connection, condition: Condition) -> None:
    """Record that an open alert's condition still holds, with its current values."""
    connection.execute(UPDATE_OPEN, asdict(condition))


def mark_clear(connection: Connection, ids: Sequence[int], clear_s: float) -> list[int]:
    """Record that the conditions of open alerts no longer hold.

    An alert that has been clear for `clear_s` is resolved. Returns the ids of the resolved ones.
    """
    rows = connection.execute(MARK_CLEAR, {"ids": list(ids), "clear_s": clear_s})
    return [row.id for row in rows if row.resolved]


def add_notices(connection: Connection, ids: Sequence[int], status: NoticeStatus) -> None:
    """Add a notice about each of these alerts, to be sent to the webhook."""
    connection.execute(ADD_NOTICES, {"ids": list(ids), "status": str(status)})


def claim_notice(connection: Connection, first_s: float, longest_s: float) -> Notice | None:
    """Claim the notice that has been due longest; None if none is due.

    The claim counts as an attempt and makes the notice due again after a pause that doubles from
    `first_s` to `longest_s`. If the sender dies, the notice is therefore sent again, and two
    senders never send the same one at the same time.
    """
    row = connection.execute(
        CLAIM_NOTICE, {"first_s": first_s, "longest_s": longest_s}
    ).one_or_none()
    return None if row is None else Notice(*row)


def mark_delivered(connection: Connection, notice: Notice) -> None:
    connection.execute(MARK_DELIVERED, {"id": notice.id, "status": notice.status})


def mark_failed(connection: Connection, notice: Notice, error: str, give_up_s: float) -> bool:
    """Record why the delivery failed.

    A notice older than `give_up_s` is given up. Returns whether this one was.
    """
    given_up = connection.execute(
        MARK_FAILED,
        {"id": notice.id, "status": notice.status, "error": error, "give_up_s": give_up_s},
    ).scalar_one_or_none()
    return bool(given_up)
