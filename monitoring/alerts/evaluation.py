"""Evaluates the alert rules, and opens, updates and resolves alerts accordingly."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Engine, Row

from monitoring.alerts.rules import evaluate_rules
from plumbline.settings import Settings
from storage.database import translate_errors
from storage.reports import alerts
from storage.reports.alert_facts import read_alert_facts
from storage.reports.alerts import Condition
from storage.states import NoticeStatus

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class AlertChanges:
    """The conditions to open or update alerts for, and the ids of alerts whose condition ended."""

    to_open: Sequence[Condition]
    to_update: Sequence[Condition]
    to_clear: Sequence[int]


@dataclass(frozen=True, slots=True)
class AlertCounts:
    """The alerts that an evaluation raised and resolved, and those that are open afterwards."""

    raised: int
    resolved: int
    firing: int


def evaluate(engine: Engine, settings: Settings) -> AlertCounts | None:
    """Evaluate the rules and write the changes; return None if another process is evaluating.

    Raises StorageError.
    """
    with translate_errors(engine), engine.begin() as connection:
        if not alerts.try_lock(connection):
            return None
        facts = read_alert_facts(
            connection,
            error_window_s=settings.alert_error_window_s,
            min_labels=settings.alert_min_labels,
            max_sources=settings.max_sources,
            drift_valid_s=settings.drift_valid_s,
        )
        open_alerts = alerts.open_alerts(connection)
        changes = find_changes(open_alerts, evaluate_rules(facts, settings))
        raised = [
            alert_id
            for condition in changes.to_open
            if (alert_id := alerts.open_alert(connection, condition)) is not None
        ]
        for condition in changes.to_update:
            alerts.update_open_alert(connection, condition)
        resolved = alerts.mark_clear(connection, changes.to_clear, settings.alert_clear_s)
        add_notices(connection, settings, raised, resolved)
    log_changes(changes.to_open, [alert for alert in open_alerts if alert.id in resolved])
    return AlertCounts(len(raised), len(resolved), len(open_alerts) + len(raised) - len(resolved))


def find_changes(open_alerts: Sequence[Row[Any]], conditions: Sequence[Condition]) -> AlertChanges:
    """Match conditions to open alerts by rule and subject, whatever their values are."""
    open_ids = {(alert.rule, alert.subject): alert.id for alert in open_alerts}
    current = {(condition.rule, condition.subject): condition for condition in conditions}
    return AlertChanges(
        to_open=[condition for key, condition in current.items() if key not in open_ids],
        to_update=[condition for key, condition in current.items() if key in open_ids],
        to_clear=[alert_id for key, alert_id in open_ids.items() if key not in current],
    )


def add_notices(
    connection: Connection, settings: Settings, raised: Sequence[int], resolved: Sequence[int]
) -> None:
    """Add the notices that `monitoring.alerts.webhook` sends after the commit, if there is one."""
    if settings.alert_webhook_url is not None:
        alerts.add_notices(connection, raised, NoticeStatus.RAISED)
        alerts.add_notices(connection, resolved, NoticeStatus.RESOLVED)


def log_changes(opened: Sequence[Condition], resolved: Sequence[Row[Any]]) -> None:
    for condition in opened:
        log.warning("alert %s (%s): %s", condition.rule, condition.severity, condition.message)
    for alert in resolved:
        log.warning("alert %s is resolved: %s", alert.rule, alert.subject)
