"""Alerts open, stay, and end: each thing that is wrong is told once, and once that it is over."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, Engine

from monitoring.alerts.rules import conditions
from plumbline.settings import Settings
from storage.database import clear_errors
from storage.reports import alert_facts, alerts
from storage.reports.alerts import Condition
from storage.tables import Alert, NoticeStatus

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Changes:
    """What one evaluation changes of the alerts that were open."""

    opening: Sequence[Condition]
    staying: Sequence[Condition]
    clearing: Sequence[int]


@dataclass(frozen=True, slots=True)
class Evaluated:
    raised: int
    resolved: int
    firing: int


def evaluate(engine: Engine, settings: Settings) -> Evaluated | None:
    """Judge how things stand, and write what changed; None where another process does.

    Raises StorageError with one sentence.
    """
    with clear_errors(engine), engine.begin() as connection:
        if not alerts.try_lock(connection):
            return None
        standing = alert_facts.read(
            connection,
            error_window_s=settings.alert_error_window_s,
            min_labels=settings.alert_min_labels,
        )
        open_now = alerts.firing(connection)
        changes = compare(open_now, conditions(standing, settings))
        raised = [
            alert_id
            for condition in changes.opening
            if (alert_id := alerts.open_alert(connection, condition)) is not None
        ]
        for condition in changes.staying:
            alerts.see_again(connection, condition)
        resolved = alerts.clear(connection, changes.clearing, settings.alert_clear_s)
        tell(connection, settings, raised, resolved)
    say(changes.opening, [alert for alert in open_now if alert.id in resolved])
    return Evaluated(len(raised), len(resolved), len(open_now) + len(raised) - len(resolved))


def compare(open_now: Sequence[Alert], found: Sequence[Condition]) -> Changes:
    """An open alert is about a rule and a subject, whatever its values were and are."""
    known = {(alert.rule, alert.subject): alert.id for alert in open_now}
    wrong = {(condition.rule, condition.subject): condition for condition in found}
    return Changes(
        opening=[condition for about, condition in wrong.items() if about not in known],
        staying=[condition for about, condition in wrong.items() if about in known],
        clearing=[alert_id for about, alert_id in known.items() if about not in wrong],
    )


def tell(
    connection: Connection, settings: Settings, raised: Sequence[int], resolved: Sequence[int]
) -> None:
    """Have the webhook told, where there is one; `monitoring.alerts.webhook` sends it after the commit."""
    if settings.alert_webhook_url is not None:
        alerts.notify(connection, raised, NoticeStatus.RAISED)
        alerts.notify(connection, resolved, NoticeStatus.RESOLVED)


def say(opening: Sequence[Condition], ended: Sequence[Alert]) -> None:
    for condition in opening:
        log.warning("alert %s (%s): %s", condition.rule, condition.severity, condition.message)
    for alert in ended:
        log.warning("alert %s is over: %s", alert.rule, alert.subject)
