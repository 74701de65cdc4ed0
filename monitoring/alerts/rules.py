"""What is wrong now: rules over drift, quality, errors and the queue. Pure, no clock of its own."""

from __future__ import annotations

from collections.abc import Iterator

from plumbline.settings import Settings
from storage.reports.alert_facts import DriftFact, Facts
from storage.reports.alerts import Condition
from storage.reports.quality import QualityRow
from storage.states import Role
from storage.tables import Metric, Severity

# A report that is so many periods old tells of then, not of now.
# What a report of this verdict is called as an alert, and how it is told.
DRIFT_RULES = {"drift": ("drift", "drifts"), "failed": ("drift_failed", "has no drift report")}
STALE_PERIODS = 3
EVERYTHING = "everything"


def conditions(facts: Facts, settings: Settings) -> list[Condition]:
    """Each rule's findings; a rule whose threshold is 0 finds nothing."""
    return [
        *drift(facts, settings),
        *stale_drift(facts, settings),
        *estimated_accuracy(facts, settings),
        *realized(facts, settings),
        *error_rate(facts, settings),
        *queue_age(facts, settings),
    ]


def subject(model: str, source: str | None) -> str:
    """What an alert is about: a version, or a version and one source."""
    return model if source is None else f"{model}, source {source}"


def age_s(report: DriftFact, facts: Facts) -> float:
    return (facts.now - report.created_at).total_seconds()


def drift(facts: Facts, settings: Settings) -> Iterator[Condition]:
    """The newest report says drift, or failed. That of one source counts while it is fresh only.

    A source may have gone silent for good, where of all sources another report always follows.
    """
    if not settings.alert_drift:
        return
    stale_s = STALE_PERIODS * settings.drift_every_s
    for report in facts.drift:
        fresh = report.source is None or age_s(report, facts) <= stale_s
        named = subject(report.model, report.source)
        if report.verdict in DRIFT_RULES and fresh:
            rule, told = DRIFT_RULES[report.verdict]
            yield Condition(
                rule, named, Severity.WARNING, 1.0, 1.0, f"{named} {told}: {report.summary}."
            )


def stale_drift(facts: Facts, settings: Settings) -> Iterator[Condition]:
    """No report of all sources for too long: nobody would tell if there was drift."""
    if not settings.alert_drift or facts.live_model is None or facts.live_since is None:
        return
    made = [
        report.created_at
        for report in facts.drift
        if report.source is None and report.model == facts.live_model
    ]
    silent_s = (facts.now - max([*made, facts.live_since])).total_seconds()
    longest_s = STALE_PERIODS * settings.drift_every_s
    if silent_s > longest_s:
        yield Condition(
            "drift_stale",
            facts.live_model,
            Severity.WARNING,
            silent_s,
            longest_s,
            f"{facts.live_model} has had no drift report for {spoken(silent_s)}, where "
            f"{spoken(settings.drift_every_s)} is the rule: is a reports worker running?",
        )


def estimated_accuracy(facts: Facts, settings: Settings) -> Iterator[Condition]:
    """The whole interval is below the threshold, so that few texts alone never ring."""
    least = settings.alert_estimated_accuracy
    for row in answering(facts, Metric.ACCURACY):
        value, high = row.estimated, row.estimated_high
        if value is not None and high is not None and high < least:
            named = subject(row.model, row.source)
            yield Condition(
                "estimated_accuracy",
                named,
                Severity.WARNING,
                value,
                least,
                f"The accuracy of {named} is estimated at {value:.3f} (at most {high:.3f}), "
                f"and {least:g} is wanted.",
            )


def realized(facts: Facts, settings: Settings) -> Iterator[Condition]:
    """Labels enough say so, the whole interval being below the threshold."""
    for metric, least in (
        (Metric.ACCURACY, settings.alert_realized_accuracy),
        (Metric.F1, settings.alert_realized_f1),
    ):
        for row in answering(facts, metric):
            value, high = row.realized, row.realized_high
            enough = row.labelled >= settings.alert_min_labels
            if value is not None and high is not None and enough and high < least:
                named = subject(row.model, row.source)
                yield Condition(
                    f"realized_{metric}",
                    named,
                    Severity.CRITICAL,
                    value,
                    least,
                    f"The {metric} of {named} is {value:.3f} by {row.labelled:,} labels (at most "
                    f"{high:.3f}), and {least:g} is wanted.",
                )


def answering(facts: Facts, metric: Metric) -> list[QualityRow]:
    """A shadow may be as bad as it likes: it answers nobody."""
    return [row for row in facts.quality if row.role == Role.LIVE and row.metric == metric]


def error_rate(facts: Facts, settings: Settings) -> Iterator[Condition]:
    """Too many of the texts that ended lately were quarantined or rejected."""
    ended, most = facts.failed + facts.scored, settings.alert_error_rate
    if most == 0 or ended < settings.alert_error_min_rows or facts.failed <= most * ended:
        return
    rate = facts.failed / ended
    yield Condition(
        "error_rate",
        EVERYTHING,
        Severity.CRITICAL,
        rate,
        most,
        f"{facts.failed:,} of {ended:,} texts ({rate:.1%}) were quarantined or rejected within "
        f"{spoken(settings.alert_error_window_s)}, and at most {most:.1%} is allowed.",
    )


def queue_age(facts: Facts, settings: Settings) -> Iterator[Condition]:
    """A text waits too long."""
    waited_s, longest_s = facts.oldest_waiting_s, settings.alert_queue_age_s
    if longest_s == 0 or waited_s is None or waited_s <= longest_s:
        return
    yield Condition(
        "queue_age",
        EVERYTHING,
        Severity.CRITICAL,
        waited_s,
        longest_s,
        f"A text has waited for {spoken(waited_s)}, and {spoken(longest_s)} is the most.",
    )


def spoken(duration_s: float) -> str:
    """A duration as people say it: 45 s, 12 min, 3.5 h, 2 d."""
    for unit, seconds in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if duration_s >= 2 * seconds:
            return f"{duration_s / seconds:.3g} {unit}"
    return f"{duration_s:.3g} s"
