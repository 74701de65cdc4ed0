"""The alert rules, as pure functions of the facts and the settings.

To add a rule, write a function that yields one Condition per subject it applies to, and add it to
RULES at the end of this module. Its threshold is a field of `plumbline.settings.Settings`, where 0
disables the rule; facts it needs are read in `storage.reports.alert_facts`. Describe the rule in
docs/quality.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from plumbline.label_request import labelling_steps
from plumbline.queues import SWEEP_TASK
from plumbline.settings import Settings
from storage.reports.alert_facts import AlertFacts
from storage.reports.alerts import Condition
from storage.reports.quality import LatestQuality
from storage.states import DriftVerdict, EstimateStatus, Metric, Role, Severity

Rule = Callable[[AlertFacts, Settings], Iterator[Condition]]

# The subject of a rule that is not about a single version.
EVERYTHING = "everything"
# Labels of texts that drifted describe later texts that drifted for a week.
LABELS_VALID_S = 7 * 86_400.0
# A message names at most this many sources.
NAMED_SOURCES = 3


def evaluate_rules(facts: AlertFacts, settings: Settings) -> list[Condition]:
    """Return the conditions of all rules."""
    return [condition for rule in RULES for condition in rule(facts, settings)]


def subject(model: str, source: str | None) -> str:
    """Return what an alert is about: a version, or a version and one source."""
    return model if source is None else f"{model}, source {source}"


def drift(facts: AlertFacts, settings: Settings) -> Iterator[Condition]:
    """The current verdict on a serving version, or on one of its sources, is drift or a failure.

    See `storage.reports.current_verdicts` for which verdict is current.
    """
    if not settings.alert_drift:
        return
    for report in facts.drift:
        about = subject(report.model, report.source)
        if report.verdict == DriftVerdict.DRIFT:
            message = f"The texts of {about} have drifted: {report.summary}."
            yield Condition("drift", about, Severity.WARNING, 1.0, 1.0, message)
        elif report.verdict == DriftVerdict.FAILED:
            message = f"The drift report of {about} failed: {report.summary}."
            yield Condition("drift_failed", about, Severity.WARNING, 1.0, 1.0, message)


def stale_drift(facts: AlertFacts, settings: Settings) -> Iterator[Condition]:
    """The live version has had no report of all sources for too long, so drift goes unnoticed."""
    if not settings.alert_drift or facts.live_model is None or facts.live_since is None:
        return
    reported_at = max(facts.drift_reported_at or facts.live_since, facts.live_since)
    unreported_s = (facts.now - reported_at).total_seconds()
    stale_s = settings.drift_valid_s
    if unreported_s > stale_s:
        yield Condition(
            "drift_stale",
            facts.live_model,
            Severity.WARNING,
            unreported_s,
            stale_s,
            f"{facts.live_model} has had no drift report for {format_duration(unreported_s)}, "
            f"although one is due every {format_duration(settings.drift_every_s)}: is a reports "
            "worker running?",
        )


def estimated_accuracy(facts: AlertFacts, settings: Settings) -> Iterator[Condition]:
    """The whole interval is below the threshold, so a few texts alone never raise this alert.

    Where labels of a random sample describe the newest texts, they count as well.
    """
    threshold = settings.alert_estimated_accuracy
    for row in live_quality(facts, Metric.ACCURACY):
        about = subject(row.model, row.source)
        value, high, basis = row.estimated, row.estimated_high, "the predictions alone"
        if has_sample(row, facts):
            value, high = row.combined, row.combined_high
            basis = f"{row.random_rows:,} labels and all predictions"
        if value is not None and high is not None and high < threshold:
            yield Condition(
                "estimated_accuracy",
                about,
                Severity.WARNING,
                value,
                threshold,
                f"The accuracy of {about}, estimated from {basis}, is {value:.3f} (at most "
                f"{high:.3f}), below the threshold of {threshold:g}.",
            )


def estimate_untrusted(facts: AlertFacts, settings: Settings) -> Iterator[Condition]:
    """The texts have drifted, so their accuracy is unknown until a random sample has labels.

    The alert names the sources that drifted, and the version only if none of them did.
    """
    if settings.alert_estimated_accuracy == 0:
        return
    drifted = {(v.model, v.source) for v in facts.drift if v.verdict == DriftVerdict.DRIFT}
    rows = [
        row
        for row in live_quality(facts, Metric.ACCURACY)
        if row.estimate_status == EstimateStatus.DRIFT and (row.model, row.source) in drifted
    ]
    with_sources = {row.model for row in rows if row.source is not None}
    for row in rows:
        if has_sample(row, facts) or (row.source is None and row.model in with_sources):
            continue
        about = subject(row.model, row.source)
        yield Condition(
            "estimate_untrusted",
            about,
            Severity.WARNING,
            1.0,
            1.0,
            f"The accuracy of {about} is unknown, because its estimate is not trustworthy under "
            f"drift: {labelling_steps(row.source)}.",
        )


def has_sample(row: LatestQuality, facts: AlertFacts) -> bool:
    """Return whether labels of a random sample of all its texts describe the newest window.

    They do if they are of that window, or if its texts have drifted as those of the labels had.
    """
    if row.combined is None or row.combined_window_to is None or (row.combined_share or 1.0) < 1.0:
        return False
    if row.combined_window_to > row.window_from:
        return True
    fresh = (facts.now - row.combined_window_to).total_seconds() <= LABELS_VALID_S
    return fresh and row.estimate_status == row.combined_status == EstimateStatus.DRIFT


def realized_quality(facts: AlertFacts, settings: Settings) -> Iterator[Condition]:
    """There are enough labels, and the whole interval is below the threshold."""
    for metric, threshold in (
        (Metric.ACCURACY, settings.alert_realized_accuracy),
        (Metric.F1, settings.alert_realized_f1),
    ):
        for row in live_quality(facts, metric):
            value, high = row.realized, row.realized_high
            enough = row.labelled_rows >= settings.alert_min_labels
            if value is not None and high is not None and enough and high < threshold:
                about = subject(row.model, row.source)
                yield Condition(
                    f"realized_{metric}",
                    about,
                    Severity.CRITICAL,
                    value,
                    threshold,
                    f"The realized {metric} of {about} is {value:.3f} on {labels(row)} (at most "
                    f"{high:.3f}), below the threshold of {threshold:g}.",
                )


def labels(row: LatestQuality) -> str:
    """Return the number of labels, and of which sources they are if not of all."""
    number = f"{row.labelled_rows:,} labels"
    if (row.labelled_share or 1.0) == 1.0 or not row.labelled_sources:
        return number
    named, more = row.labelled_sources[:NAMED_SOURCES], row.labelled_sources[NAMED_SOURCES:]
    others = f" and {len(more)} more sources" if more else ""
    return f"{number} of {', '.join(named)}{others} only"


def live_quality(facts: AlertFacts, metric: Metric) -> list[LatestQuality]:
    """Return the rows of live predictions; the quality of a shadow affects no result."""
    return [row for row in facts.quality if row.role == Role.LIVE and row.metric == metric]


def error_rate(facts: AlertFacts, settings: Settings) -> Iterator[Condition]:
    """Too large a share of recently ended texts was quarantined or rejected."""
    ended, threshold = facts.failed + facts.scored, settings.alert_error_rate
    too_few = ended < settings.alert_error_min_rows
    if threshold == 0 or too_few or facts.failed <= threshold * ended:
        return
    rate = facts.failed / ended
    yield Condition(
        "error_rate",
        EVERYTHING,
        Severity.CRITICAL,
        rate,
        threshold,
        f"{facts.failed:,} of {ended:,} texts ({rate:.1%}) were quarantined or rejected in the "
        f"last {format_duration(settings.alert_error_window_s)}, above the threshold of "
        f"{threshold:.1%}.",
    )


def queue_age(facts: AlertFacts, settings: Settings) -> Iterator[Condition]:
    """The oldest queued text has waited too long."""
    waited_s, threshold_s = facts.oldest_queued_s, settings.alert_queue_age_s
    if threshold_s == 0 or waited_s is None or waited_s <= threshold_s:
        return
    yield Condition(
        "queue_age",
        EVERYTHING,
        Severity.CRITICAL,
        waited_s,
        threshold_s,
        f"The oldest queued text has waited for {format_duration(waited_s)}, above the threshold "
        f"of {format_duration(threshold_s)}.",
    )


def stalled_task(facts: AlertFacts, settings: Settings) -> Iterator[Condition]:
    """A periodic task is skipped or fails again and again, or its messages are not processed."""
    grace_s = settings.alert_upkeep_s
    for task in facts.periodic_tasks:
        if grace_s == 0 or not task.is_stalled(grace_s):
            continue
        yield Condition(
            "stalled_task",
            task.task,
            Severity.CRITICAL if task.task == SWEEP_TASK else Severity.WARNING,
            task.since_completed_s,
            task.limit_s(grace_s),
            f"No run of {task.task} has done all of its work for "
            f"{format_duration(task.since_completed_s)}, although one is due every "
            f"{format_duration(task.every_s)}: see the workers' logs, and the sessions that hold "
            "a row of plumbline.locks.",
        )


def overdue_leases(facts: AlertFacts, settings: Settings) -> Iterator[Condition]:
    """Leases expired long ago, and no sweep has ended them."""
    leases, threshold_s = facts.overdue_leases, settings.alert_upkeep_s
    if threshold_s == 0 or leases.oldest_s <= threshold_s:
        return
    yield Condition(
        "overdue_leases",
        EVERYTHING,
        Severity.CRITICAL,
        leases.oldest_s,
        threshold_s,
        f"{leases.leases:,} leases have expired, the first {format_duration(leases.oldest_s)} ago, "
        "and no sweep has ended them: see whose transaction holds rows of plumbline.jobs.",
    )


def refused_model(facts: AlertFacts, settings: Settings) -> Iterator[Condition]:
    """A machine refuses to load a version, because it is not the one that was registered."""
    for fault in facts.model_faults:
        yield Condition(
            "model_refused",
            f"{fault.model} on {fault.machine}",
            Severity.CRITICAL,
            1.0,
            1.0,
            f"{fault.machine} does not load {fault.model}: {fault.reason}",
        )


def format_duration(duration_s: float) -> str:
    """Return a duration for people: 45 s, 12 min, 3.5 h, 2 d."""
    for unit, seconds in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if duration_s >= 2 * seconds:
            return f"{duration_s / seconds:.3g} {unit}"
    return f"{duration_s:.3g} s"


RULES: tuple[Rule, ...] = (
    drift,
    stale_drift,
    estimated_accuracy,
    estimate_untrusted,
    realized_quality,
    error_rate,
    queue_age,
    stalled_task,
    overdue_leases,
    refused_model,
)
