"""The queries behind the commands, the SQL functions and the periodic tasks, as calls."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, text

from benchmarks.scale_rows import LIVE, NEXT, OLD
from plumbline_client.new_job import new_job
from plumbline_client.results import ResultFilter
from plumbline_client.states import JobState
from storage import labellers, rejected_messages, sources, task_ages
from storage.database import now
from storage.jobs import (
    cancellation,
    claim,
    contradictions,
    details,
    labels,
    outbox,
    overdue_leases,
    quarantine,
    queue,
    results,
    samples,
    sweep,
)
from storage.jobs.labelled_texts import LabelledTexts, LabelSelection
from storage.jobs.labels import LabelEntry
from storage.jobs.samples import SampleRequest
from storage.progress import progress
from storage.reports import (
    accepted_references,
    accuracy,
    alert_facts,
    alerts,
    backtest,
    current_verdicts,
    drift,
    quality,
    quality_counts,
    quality_samples,
    status,
    window_texts,
)
from storage.reports.backtest import BacktestSelection
from storage.reports.drift import Window
from storage.reports.window_texts import Period
from storage.serving import deployments, model_faults
from storage.states import Sampling

Run = Callable[[Connection], Any]
LARGE, SMALL, UNKNOWN = "source-3", "small-7", "nobody"
DAY_S = 86_400.0
VALID_S = 10_800.0


@dataclass(frozen=True, slots=True)
class Query:
    """One call of the storage, in a transaction that is rolled back."""

    area: str
    name: str
    run: Run


@dataclass(frozen=True, slots=True)
class Example:
    """Rows that exist, for the queries about one row."""

    job: uuid.UUID
    queued: uuid.UUID
    unlabelled: uuid.UUID
    report: int
    quality_task: str
    time: datetime

    def ago(self, **duration: float) -> datetime:
        return self.time - timedelta(**duration)


JOB = text("""
SELECT job_id FROM plumbline.predictions WHERE scored_at < now() - interval '7 days'
ORDER BY scored_at DESC LIMIT 1
""")
QUEUED = text("SELECT id FROM plumbline.jobs WHERE state = 'queued' LIMIT 1")
REPORT = text("SELECT max(id) FROM plumbline.drift_reports")


def find_example(connection: Connection) -> Example:
    return Example(
        job=connection.execute(JOB).scalar_one(),
        queued=connection.execute(QUEUED).scalar_one(),
        unlabelled=connection.execute(JOB).scalar_one(),
        report=connection.execute(REPORT).scalar_one(),
        quality_task="a task",
        time=now(connection),
    )


def queries(example: Example) -> Iterator[Query]:
    for area, calls in (
        ("command", commands(example)),
        ("results", result_filters(example)),
        ("samples", sample_requests(example)),
        ("drift", drift_calls(example)),
        ("quality", quality_calls(example)),
        ("SQL function", functions(example)),
        ("periodic task", periodic_calls(example)),
        ("view", views()),
    ):
        for name, run in calls.items():
            yield Query(area, name, run)


def commands(example: Example) -> dict[str, Run]:
    everything = LabelSelection(model_name="sms-spam", classes=("ham", "spam"))
    recent = LabelSelection(since=example.ago(days=1))
    selection = BacktestSelection(example.ago(days=7), ("ham", "spam"))
    lately = BacktestSelection(example.ago(hours=1), ("ham", "spam"))
    one_source = BacktestSelection(example.ago(days=7), ("ham", "spam"), [SMALL])
    return {
        "status": lambda c: status.snapshot(c, VALID_S),
        "health": lambda c: progress(c.connection.driver_connection, 600.0),
        "show ID": lambda c: details.find_job(c, example.job),
        "show PREFIX": lambda c: results.ids_with_prefix(c, example.job.hex[:8]),
        "rejected list": lambda c: rejected_messages.list_rejected(c),
        "rejected list --source": lambda c: rejected_messages.list_rejected(c, UNKNOWN),
        "quarantine list": lambda c: quarantine.list_quarantined(c),
        "quarantine list --source": lambda c: quarantine.list_quarantined(c, SMALL),
        "quarantine replay ID": lambda c: quarantine.lock_jobs(c, [example.job]),
        "quarantine replay --source": lambda c: quarantine.replay(
            c, quarantine.Selection(None, LARGE, example.time, 100)
        ),
        "alerts": lambda c: (alerts.open_alerts(c), alerts.resolved_alerts(c)),
        "cancel --source (count)": lambda c: cancellation.count_queued(c, LARGE, example.time),
        "cancel --source (batch)": lambda c: c.execute(
            cancellation.CANCEL,
            {
                "source": LARGE, "before": example.time, "reason": "", "batch": 5_000,
                "after": example.ago(days=9_000), "after_id": uuid.UUID(int=0),
            },
        ).all(),
        "label": lambda c: labels.add(
            c, [LabelEntry(example.unlabelled, "1", "benchmark")], lambda _, __: None
        ),
        "label (contradictions)": lambda c: contradictions.find_contradictions(
            c, "person", example.ago(minutes=10)
        ),
        "retrain (labelled texts, all)": lambda c: take(
            iter(LabelledTexts(c, everything)), 1_000
        ),
        "retrain (labelled texts, one day)": lambda c: list(LabelledTexts(c, recent)),
        "backtest --since 7d --limit 1000": lambda c: backtest.scored_texts(c, selection, 1_000),
        "backtest --since 7d (left out)": lambda c: backtest.left_out_texts(c, selection),
        "backtest --since 1h --limit 1000": lambda c: backtest.scored_texts(c, lately, 1_000),
        "backtest --since 1h (left out)": lambda c: backtest.left_out_texts(c, lately),
        "backtest --source": lambda c: backtest.scored_texts(c, one_source, 1_000),
        "sources list": sources.find_sources,
        "labellers list": labellers.find_grants,
        "serving": deployments.serving,
    }  # fmt: skip


def take(rows: Iterator[Any], count: int) -> list[Any]:
    return [row for row, _ in zip(rows, range(count), strict=False)]


def result_filters(example: Example) -> dict[str, Run]:
    month, day = example.ago(days=40), example.ago(days=39)
    filters = {
        "all": ResultFilter(),
        "--source large": ResultFilter(source=LARGE),
        "--source small": ResultFilter(source=SMALL),
        "--source unknown": ResultFilter(source=UNKNOWN),
        **{f"--state {state}": ResultFilter(state=state) for state in JobState},
        "--state of a small source": ResultFilter(source=SMALL, state="cancelled"),
        "--decision review": ResultFilter(decision="review"),
        "--decision, small source": ResultFilter(source=SMALL, decision="positive"),
        "--model, the live one": ResultFilter(model=LIVE),
        "--model, the canary": ResultFilter(model=NEXT),
        "--model, an earlier one": ResultFilter(model=OLD),
        "--model, one that never served": ResultFilter(model="other/1.0.0"),
        "--since 2h": ResultFilter(since=timedelta(hours=2)),
        "--since --until, one day": ResultFilter(since=month, until=day),
        "--until 60d": ResultFilter(until=timedelta(days=60)),
        "of one job": ResultFilter(ids=[example.job]),
    }
    return {name: search(conditions) for name, conditions in filters.items()}


def search(conditions: ResultFilter) -> Run:
    return lambda connection: results.find(connection, conditions, 51)


def sample_requests(example: Example) -> dict[str, Run]:
    requests = {
        f"{by}{name}": SampleRequest(100, by, **conditions)
        for by in Sampling
        for name, conditions in {
            "": {},
            " --source small": {"sources": [SMALL]},
            " --per-source": {"per_source": True},
            " --since 1d": {"since": example.ago(days=1)},
            " --decision review": {"decision": "review"},
            " --model, an earlier one": {"model": OLD},
        }.items()
    }
    return {name: draw(request) for name, request in requests.items()}


def draw(request: SampleRequest) -> Run:
    return lambda connection: list(samples.draw(connection, request))


def drift_calls(example: Example) -> dict[str, Run]:
    day = example.ago(days=1)
    window = Window(LIVE, 10_000, None, day)
    earlier = Window(LIVE, 10_000, None, example.ago(days=8), day)
    return {
        "window of 10,000 rows": lambda c: drift.observations(c, window),
        "earlier window": lambda c: drift.observations(c, earlier),
        "window of a large source": lambda c: drift.observations(
            c, Window(LIVE, 10_000, LARGE, day)
        ),
        "window of a small source": lambda c: drift.observations(
            c, Window(LIVE, 10_000, SMALL, day)
        ),
        "newest 10,000 of a small source": lambda c: drift.observations(
            c, Window(LIVE, 10_000, SMALL)
        ),
        "newest 10,000 of a new version": lambda c: drift.observations(
            c, Window("other/1.0.0", 10_000)
        ),
        "sources": lambda c: drift.sources(c, window, min_rows=30, max_sources=20),
        "texts": lambda c: drift.texts(c, window),
        "drift list": lambda c: drift.find_reports(c),
        "drift list --source": lambda c: drift.find_reports(c, source=UNKNOWN),
        "drift list --verdict": lambda c: drift.find_reports(c, verdict="failed"),
        "drift page": lambda c: drift.find_reports(c, with_page=True, limit=1),
        "drift show": lambda c: drift.find_report(c, example.report),
        "drift show (least familiar)": lambda c: window_texts.least_familiar(
            c, Period(LIVE, example.ago(hours=1.5), example.time), None, 10
        ),
        "drift show (sources)": lambda c: window_texts.source_rows(
            c, Period(LIVE, example.ago(hours=1.5), example.time)
        ),
        "drift run (wait)": lambda c: drift.report_id_of_task(c, "a task"),
        "drift accept (traffic of 1 h)": lambda c: accepted_references.read_traffic(
            c, model=LIVE, since=example.ago(hours=1), until=None, source=None
        ),
        "drift accept (traffic of 7 d)": lambda c: accepted_references.read_traffic(
            c, model=LIVE, since=example.ago(days=7), until=None, source=None
        ),
        "accepted references": lambda c: (
            accepted_references.list_accepted(c), accepted_references.in_force(c, LIVE, None, 30)
        ),
        "current verdicts": lambda c: current_verdicts.current_verdicts(c, VALID_S),
        "accuracy": lambda c: accuracy.newest_accuracy(c, LIVE, None),
    }  # fmt: skip


def quality_calls(example: Example) -> dict[str, Run]:
    start = example.time.replace(hour=0, minute=0, second=0, microsecond=0)
    before = start - timedelta(days=1)
    return {
        "quality": lambda c: quality.find_windows(c),
        "quality --model --source": lambda c: quality.find_windows(c, model=LIVE, source=LARGE),
        "quality run (wait)": lambda c: quality.find_windows(c, task_id="a task"),
        "latest": lambda c: quality.latest(c, 30, max_sources=50),
        "changed windows": lambda c: quality_counts.changed_windows(c, DAY_S),
        "counts of a day": lambda c: quality_samples.count(c, before, start, 50),
    }


def functions(example: Example) -> dict[str, Run]:
    def call(statement: str, **parameters: Any) -> Run:
        return lambda connection: connection.execute(text(statement), parameters).all()

    job = {"job": example.job}
    ids = "CAST(:ids AS uuid[])"
    many = {"ids": [example.job, example.queued]}
    return {
        "submit_v1": call("SELECT plumbline.submit_v1('a new text')"),
        "submit_v1, known key": call(
            "SELECT plumbline.submit_v1('a text', key => 'k', source => 's'), "
            "plumbline.submit_v1('a text', key => 'k', source => 's')"
        ),
        "submit_many_v1": call(
            "SELECT * FROM plumbline.submit_many_v1((SELECT json_agg(json_build_object("
            "'source', 's', 'text', 'text ' || n, 'notes', CAST('{}' AS text[]))) "
            "FROM generate_series(1, 64) AS n))"
        ),
        "cancel_v1": call("SELECT * FROM plumbline.cancel_v1(:job)", job=example.queued),
        "label_v1": call("SELECT plumbline.label_v1(:job, '1', 'plumbline')", **job),
        "states_v1": call(f"SELECT * FROM plumbline.states_v1({ids})", **many),
        "results_v1": call(f"SELECT * FROM plumbline.results_v1({ids})", **many),
        "unpublish_v1": call(f"SELECT plumbline.unpublish_v1({ids})", **many),
        "count_queued_v1": call("SELECT plumbline.count_queued_v1(100000)"),
        "keyed_id_v1": call("SELECT plumbline.keyed_id_v1('s', 'k')"),
        "estimate_status_v1": call(
            "SELECT plumbline.estimate_status_v1(:model, NULL, now() - interval '1 day', now())",
            model=LIVE,
        ),
    }


def periodic_calls(example: Example) -> dict[str, Run]:
    facts = {
        "error_window_s": 900.0, "min_labels": 30, "max_sources": 50, "drift_valid_s": VALID_S,
    }  # fmt: skip
    return {
        "sweep": lambda c: sweep.sweep(c, max_attempts=3, republish_after_s=60.0, limit=10_000),
        "overdue leases": overdue_leases.overdue_leases,
        "relay": lambda c: outbox.take_due_jobs(c, max_attempts=3, limit=10_000),
        "queue length": queue.queue_length,
        "quarantined": quarantine.count_quarantined,
        "alert facts": lambda c: alert_facts.read_alert_facts(c, **facts),
        "alert notice": lambda c: alerts.claim_notice(c, 1.0, 60.0),
        "ages of periodic tasks": task_ages.task_ages,
        "model faults": model_faults.current,
        "claim of 64 arriving texts": lambda c: claim.claim(
            c, [new_job(f"text {n}", source="s", max_chars=1_000) for n in range(64)], [], 15.0
        ),
    }


def views() -> dict[str, Run]:
    def read(statement: str) -> Run:
        return lambda connection: connection.execute(text(statement)).all()

    return {
        "results of a source, newest 100": read(
            f"SELECT * FROM plumbline.results WHERE source = '{LARGE}' "
            "ORDER BY created_at DESC LIMIT 100"
        ),
        "results of the last hour": read(
            "SELECT * FROM plumbline.results WHERE created_at >= now() - interval '1 hour'"
        ),
        "decisions of the last hour": read(
            "SELECT source, decision, count(*) FROM plumbline.results "
            "WHERE created_at >= now() - interval '1 hour' GROUP BY 1, 2"
        ),
        "quality of 30 days": read(
            "SELECT * FROM plumbline.quality WHERE source IS NULL "
            f"AND model = '{LIVE}' AND window_from >= now() - interval '30 days'"
        ),
    }
