"""Versions change under full load: nothing is lost or repeated; a message has one deployment."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import cycle
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from plumbline_client import Client
from storage.serving import deployments
from storage.serving.deployments import Serving, in_canary_share
from tests.artifacts import PASSED, version_record, write_copy
from tests.waiting import eventually
from tests.workers import start_worker

TEXTS = 3_000
CHANGE_EVERY = 200
A, B, C = "sms-spam/1.0.0", "sms-spam/1.1.0", "sms-spam/1.2.0"
PLANS = (
    Serving(B),
    Serving(B, canary=A, canary_share=0.3),
    Serving(A),
    Serving(A, shadow=C),
    Serving(A, shadow=C, canary=B, canary_share=0.5),
    Serving(A, canary=B, canary_share=0.5),
    Serving(C),
)


@dataclass(frozen=True, slots=True)
class Period:
    """A deployment that became effective between `earliest` and `latest`, by PostgreSQL's clock."""

    serving: Serving
    earliest: datetime
    latest: datetime


@dataclass(frozen=True, slots=True)
class Scored:
    job: uuid.UUID
    started_at: datetime
    model: str


def now(engine: Engine) -> datetime:
    with engine.connect() as connection:
        time: datetime = connection.execute(text("SELECT clock_timestamp()")).scalar_one()
    return time


def deploy(engine: Engine, models: Path, before: Serving, after: Serving) -> list[Period]:
    """Change the deployment as the commands do, with one step per transaction."""
    periods, by = [], {"deployed_by": "test", "reason": "test"}
    if after.live != before.live:
        earliest = now(engine)
        with engine.begin() as connection:
            deployments.promote(connection, version_record(models, after.live), **by)
        periods.append(Period(Serving(after.live), earliest, now(engine)))
        before = Serving(after.live)
    if after.shadow != before.shadow:
        earliest = now(engine)
        with engine.begin() as connection:
            deployments.set_shadow(connection, after.shadow, **by)
        before = Serving(before.live, after.shadow, before.canary, before.canary_share)
        periods.append(Period(before, earliest, now(engine)))
    if after.canary != before.canary:
        earliest = now(engine)
        with engine.begin() as connection:
            share = after.canary_share or None
            deployments.set_canary(connection, after.canary, share, **by)
        periods.append(Period(after, earliest, now(engine)))
    return periods


def possible(periods: Sequence[Period], claimed_at: datetime) -> list[Serving]:
    """Return the deployments that may have been effective: two only during a change."""
    ends = [period.latest for period in periods[1:]] + [datetime.max.replace(tzinfo=UTC)]
    return [
        period.serving
        for period, end in zip(periods, ends, strict=True)
        if period.earliest <= claimed_at <= end
    ]


def explains(serving: Serving, message: Sequence[Scored]) -> bool:
    """Return whether each text was scored by the version that this deployment assigns."""
    return all(
        scored.model
        == (
            serving.canary
            if serving.canary and in_canary_share(scored.job, serving.canary_share)
            else serving.live
        )
        for scored in message
    )


@pytest.mark.slow
def test_versions_change_under_full_load(
    database_url: str, broker_url: str, engine: Engine, tmp_path: Path
) -> None:
    models = tmp_path / "models"
    for model in (A, B, C):
        write_copy(models, model.partition("/")[2], PASSED)
    settings = {"models_dir": models, "model": A}
    earliest = now(engine)
    with engine.begin() as connection:
        for model in (B, C, A):
            record = version_record(models, model)
            deployments.promote(connection, record, deployed_by="", reason="")
    periods = [Period(Serving(A), earliest, now(engine))]
    with (
        start_worker(database_url, broker_url, tmp_path, settings=settings, concurrency=2),
        Client(database_url, broker_url, message_size=16) as client,
    ):
        receipts = client.submit_many(f"See you at {n}, or win a prize" for n in range(TEXTS))
        ids = {receipt.job_id for receipt in receipts}
        for plan, count in zip(
            cycle(PLANS), range(CHANGE_EVERY, TEXTS, CHANGE_EVERY), strict=False
        ):
            eventually(lambda count=count: count_scored(engine) >= count)  # type: ignore[misc]
            periods += deploy(engine, models, periods[-1].serving, plan)
        eventually(lambda: count_scored(engine) == TEXTS)

    # The worker has exited, so nothing changes any more.
    with engine.connect() as connection:
        states = connection.execute(
            text("SELECT DISTINCT state, attempts, error FROM plumbline.jobs")
        ).all()
        live_rows = [
            Scored(*row)
            for row in connection.execute(
                text("""
                    SELECT job_id, started_at, model FROM plumbline.predictions
                    JOIN plumbline.jobs ON jobs.id = job_id WHERE role = 'live'
                """)
            )
        ]
        shadow_rows = connection.execute(
            text("""
                SELECT started_at, shadow.model, live.model AS live_model
                FROM plumbline.predictions AS shadow
                JOIN plumbline.predictions AS live ON live.job_id = shadow.job_id
                    AND live.role = 'live'
                JOIN plumbline.jobs ON jobs.id = shadow.job_id WHERE shadow.role = 'shadow'
            """)
        ).all()
    assert [tuple(row) for row in states] == [("scored", 1, None)]
    assert len(live_rows) == TEXTS and {scored.job for scored in live_rows} == ids

    messages: dict[datetime, list[Scored]] = defaultdict(list)
    for scored in live_rows:
        messages[scored.started_at].append(scored)
    for claimed_at, message in messages.items():
        candidates = possible(periods, claimed_at)
        assert any(explains(serving, message) for serving in candidates), (candidates, message)
    assert {scored.model for scored in live_rows} == {A, B, C}
    mixed = [m for m in messages.values() if len({scored.model for scored in m}) > 1]
    assert mixed, "no message was shared by a canary and a live version"

    assert shadow_rows, "no shadow scored"
    for row in shadow_rows:
        assert row.model in {serving.shadow for serving in possible(periods, row.started_at)}
        assert row.model != row.live_model


def count_scored(engine: Engine) -> int:
    with engine.connect() as connection:
        count: int = connection.execute(
            text("SELECT count(*) FROM plumbline.predictions WHERE role = 'live'")
        ).scalar_one()
    return count
