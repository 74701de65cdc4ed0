"""Versions change over under full load: nothing is lost or repeated, and no message mixes two."""

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

from plumbline.settings import Settings
from plumbline_client import Client
from storage.serving import deployments
from storage.serving.deployments import Serving, in_canary_share
from tests.artifacts import PASSED, write_copy
from tests.waiting import eventually
from tests.workers import worker

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
    """What served from some moment in [begun, surely] on, by the database's clock."""

    serving: Serving
    begun: datetime
    surely: datetime


@dataclass(frozen=True, slots=True)
class Scored:
    job: uuid.UUID
    started_at: datetime
    model: str


def now(engine: Engine) -> datetime:
    with engine.connect() as connection:
        found: datetime = connection.execute(text("SELECT clock_timestamp()")).scalar_one()
    return found


def deploy(engine: Engine, before: Serving, wanted: Serving) -> list[Period]:
    """Change over, as the commands do, one step a transaction."""
    periods, by = [], {"deployed_by": "test", "reason": "test"}
    if wanted.live != before.live:
        begun = now(engine)
        with engine.begin() as connection:
            deployments.promote(connection, wanted.live, manifest_sha256="", metrics={}, **by)
        periods.append(Period(Serving(wanted.live), begun, now(engine)))
        before = Serving(wanted.live)
    if wanted.shadow != before.shadow:
        begun = now(engine)
        with engine.begin() as connection:
            deployments.set_shadow(connection, wanted.shadow, **by)
        before = Serving(before.live, wanted.shadow, before.canary, before.canary_share)
        periods.append(Period(before, begun, now(engine)))
    if wanted.canary != before.canary:
        begun = now(engine)
        with engine.begin() as connection:
            share = wanted.canary_share or None
            deployments.set_canary(connection, wanted.canary, share, **by)
        periods.append(Period(wanted, begun, now(engine)))
    return periods


def possible(periods: Sequence[Period], claimed_at: datetime) -> list[Serving]:
    """What may have served at a moment: two of them only while one changed over."""
    ends = [period.surely for period in periods[1:]] + [datetime.max.replace(tzinfo=UTC)]
    return [
        period.serving
        for period, end in zip(periods, ends, strict=True)
        if period.begun <= claimed_at <= end
    ]


def explains(serving: Serving, message: Sequence[Scored]) -> bool:
    """Whether every text of a message was answered by the version this asks for."""
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
def test_versions_change_over_under_full_load(
    database_url: str, broker_url: str, engine: Engine, tmp_path: Path
) -> None:
    models = tmp_path / "models"
    for model in (A, B, C):
        write_copy(models, model.partition("/")[2], PASSED)
    settings = {"models_dir": models, "model": A}
    begun = now(engine)
    with engine.begin() as connection:
        for model in (B, C, A):
            deployments.promote(
                connection, model, manifest_sha256="", metrics={}, deployed_by="", reason=""
            )
    periods = [Period(Serving(A), begun, now(engine))]
    with (
        worker(database_url, broker_url, tmp_path, settings=settings, concurrency=2),
        Client(database_url, broker_url, settings=Settings(message_size=16)) as client,
    ):
        receipts = client.submit_many(f"See you at {n}, or win a prize" for n in range(TEXTS))
        ids = {receipt.job_id for receipt in receipts}
        for plan, done in zip(cycle(PLANS), range(CHANGE_EVERY, TEXTS, CHANGE_EVERY), strict=False):
            eventually(lambda done=done: answered(engine) >= done)  # type: ignore[misc]
            periods += deploy(engine, periods[-1].serving, plan)
        eventually(lambda: answered(engine) == TEXTS)

    # The worker is gone, so nothing changes any more.
    with engine.connect() as connection:
        states = connection.execute(
            text("SELECT DISTINCT state, attempts, error FROM plumbline.jobs")
        ).all()
        answers = [
            Scored(*row)
            for row in connection.execute(
                text("""
                    SELECT job_id, started_at, model FROM plumbline.predictions
                    JOIN plumbline.jobs ON jobs.id = job_id WHERE role = 'live'
                """)
            )
        ]
        shadows = connection.execute(
            text("""
                SELECT started_at, shadow.model, live.model AS answered_by
                FROM plumbline.predictions AS shadow
                JOIN plumbline.predictions AS live ON live.job_id = shadow.job_id
                    AND live.role = 'live'
                JOIN plumbline.jobs ON jobs.id = shadow.job_id WHERE shadow.role = 'shadow'
            """)
        ).all()
    assert [tuple(row) for row in states] == [("scored", 1, None)]
    assert len(answers) == TEXTS and {scored.job for scored in answers} == ids

    messages: dict[datetime, list[Scored]] = defaultdict(list)
    for scored in answers:
        messages[scored.started_at].append(scored)
    for claimed_at, message in messages.items():
        served = possible(periods, claimed_at)
        assert any(explains(serving, message) for serving in served), (served, message)
    assert {scored.model for scored in answers} == {A, B, C}
    mixed = [m for m in messages.values() if len({scored.model for scored in m}) > 1]
    assert mixed, "no canary answered beside a live version"

    assert shadows, "no shadow scored"
    for row in shadows:
        assert row.model in {serving.shadow for serving in possible(periods, row.started_at)}
        assert row.model != row.answered_by


def answered(engine: Engine) -> int:
    with engine.connect() as connection:
        found: int = connection.execute(
            text("SELECT count(*) FROM plumbline.predictions WHERE role = 'live'")
        ).scalar_one()
    return found
