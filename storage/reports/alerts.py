"""Alerts, from the first time something is wrong to the last notice of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import Connection, desc, select, text
from sqlalchemy.orm import Session

from storage.tables import Alert, NoticeStatus

# Any constant will do, as long as whoever evaluates alerts takes the same one.
ADVISORY_LOCK = 0x616C6572

# Not now(), which is the transaction's: a notice is timed by when it was tried.
CLAIM = text("""
UPDATE plumbline.alert_notices AS notices
SET attempts = attempts + 1,
    next_attempt_at = clock_timestamp()
        + make_interval(secs => least(:longest_s, :first_s * power(2, least(attempts, 20))))
FROM plumbline.alerts AS alerts
WHERE alerts.id = notices.alert_id AND (notices.alert_id, notices.status) IN (
    SELECT alert_id, status FROM plumbline.alert_notices AS due
    WHERE delivered_at IS NULL AND given_up_at IS NULL AND next_attempt_at <= clock_timestamp()
      -- That it is well again is told after that it was wrong.
      AND NOT EXISTS (
          SELECT FROM plumbline.alert_notices AS earlier
          WHERE due.status = 'resolved' AND earlier.alert_id = due.alert_id
            AND earlier.status = 'raised'
            AND earlier.delivered_at IS NULL AND earlier.given_up_at IS NULL)
    ORDER BY next_attempt_at, alert_id, status
    LIMIT 1 FOR UPDATE SKIP LOCKED)
RETURNING alerts.id, notices.status, notices.attempts, alerts.rule, alerts.subject,
          alerts.severity, alerts.message, alerts.value, alerts.threshold, alerts.raised_at,
          alerts.resolved_at
""")

DELIVERED = text("""
UPDATE plumbline.alert_notices SET delivered_at = clock_timestamp(), error = NULL
WHERE alert_id = :id AND status = :status
""")

FAILED = text("""
UPDATE plumbline.alert_notices
SET error = :error, given_up_at = CASE
        WHEN created_at < clock_timestamp() - make_interval(secs => :give_up_s)
        THEN clock_timestamp() END
WHERE alert_id = :id AND status = :status AND delivered_at IS NULL
RETURNING given_up_at IS NOT NULL
""")

RAISE = text("""
INSERT INTO plumbline.alerts (rule, subject, severity, message, value, threshold)
VALUES (:rule, :subject, :severity, :message, :value, :threshold)
ON CONFLICT (rule, subject) WHERE resolved_at IS NULL DO NOTHING
RETURNING id
""")

SEE_AGAIN = text("""
UPDATE plumbline.alerts
SET last_seen_at = now(), clear_since = NULL, message = :message, value = :value,
    threshold = :threshold, severity = :severity
WHERE rule = :rule AND subject = :subject AND resolved_at IS NULL
""")

CLEAR = text("""
UPDATE plumbline.alerts
SET clear_since = coalesce(clear_since, now()),
    resolved_at = CASE WHEN coalesce(clear_since, now())
                            <= now() - make_interval(secs => :clear_s) THEN now() END
WHERE id = ANY (CAST(:ids AS int8[])) AND resolved_at IS NULL
RETURNING id, resolved_at IS NOT NULL AS resolved
""")

NOTIFY = text("""
INSERT INTO plumbline.alert_notices (alert_id, status)
SELECT unnest(CAST(:ids AS int8[])), :status ON CONFLICT DO NOTHING
""")


@dataclass(frozen=True, slots=True)
class Condition:
    """Something that is wrong now. `message` is one sentence with `value` and `threshold` in it."""

    rule: str
    subject: str
    severity: str
    value: float
    threshold: float
    message: str


@dataclass(frozen=True, slots=True)
class Notice:
    """What is to be told to the webhook; `id` is the alert's, and `attempts` counts this one."""

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


def try_lock(connection: Connection) -> bool:
    """Be the one who evaluates until the transaction ends; False where another is."""
    statement = text("SELECT pg_try_advisory_xact_lock(:key)")
    return bool(connection.execute(statement, {"key": ADVISORY_LOCK}).scalar_one())


def firing(connection: Connection) -> list[Alert]:
    """The open alerts, the critical and oldest first."""
    with Session(connection) as session:
        found = session.scalars(
            select(Alert)
            .where(Alert.resolved_at.is_(None))
            .order_by(Alert.severity, Alert.raised_at, Alert.id)
        )
        return list(found)


def resolved(connection: Connection, limit: int = 20) -> list[Alert]:
    """The alerts that are over, the newest first."""
    with Session(connection) as session:
        found = session.scalars(
            select(Alert)
            .where(Alert.resolved_at.is_not(None))
            .order_by(desc(Alert.resolved_at), desc(Alert.id))
            .limit(limit)
        )
        return list(found)


def open_alert(connection: Connection, condition: Condition) -> int | None:
    """Open an alert; return its id, or None where one is open already."""
    found: int | None = connection.execute(RAISE, asdict(condition)).scalar_one_or_none()
    return found


def see_again(connection: Connection, condition: Condition) -> None:
    """An open alert's condition holds still, with the values of now."""
    connection.execute(SEE_AGAIN, asdict(condition))


def clear(connection: Connection, ids: Sequence[int], clear_s: float) -> list[int]:
    """The conditions of these open alerts do not hold; return those now clear for `clear_s`."""
    rows = connection.execute(CLEAR, {"ids": list(ids), "clear_s": clear_s})
    return [row.id for row in rows if row.resolved]


def notify(connection: Connection, ids: Sequence[int], status: NoticeStatus) -> None:
    """Have the webhook told of these alerts."""
    connection.execute(NOTIFY, {"ids": list(ids), "status": str(status)})


def claim_notice(connection: Connection, first_s: float, longest_s: float) -> Notice | None:
    """Take the notice that is due longest; None where none is.

    It counts as tried, and is due again after a pause that doubles from `first_s` to `longest_s`:
    who dies over it leaves it to be sent again, and two never send it at the same time.
    """
    row = connection.execute(CLAIM, {"first_s": first_s, "longest_s": longest_s}).one_or_none()
    return None if row is None else Notice(*row)


def delivered(connection: Connection, notice: Notice) -> None:
    connection.execute(DELIVERED, {"id": notice.id, "status": notice.status})


def failed(connection: Connection, notice: Notice, error: str, give_up_s: float) -> bool:
    """Keep why it did not arrive; return whether it is given up, being `give_up_s` old."""
    found = connection.execute(
        FAILED,
        {"id": notice.id, "status": notice.status, "error": error, "give_up_s": give_up_s},
    ).scalar_one_or_none()
    return bool(found)
