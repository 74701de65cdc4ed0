from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from plumbline.demo import loop
from plumbline.demo.texts import ODD
from plumbline.embedded.errors import EmbeddedFailed
from plumbline.settings import Settings
from plumbline_client.states import JobState

NOW = datetime(2026, 5, 1, 12, 30, 5, tzinfo=timezone(timedelta(hours=2)))
TEXTS = ["one", ODD[0], "two", ODD[1], "three"]


class FakeClient:
    """Accepts every text and reports its jobs, newest first, with each of `states` in turn."""

    def __init__(self, states: Sequence[JobState] = ()) -> None:
        self.states = iter(states)
        self.submitted: dict[uuid.UUID, tuple[str, str]] = {}

    def submit_many(self, texts: Iterable[str], source: str) -> Iterator[Any]:
        for text in texts:
            job_id = uuid.uuid4()
            self.submitted[job_id] = (text, source)
            yield SimpleNamespace(job_id=job_id)

    def results(self, ids: Sequence[uuid.UUID], limit: None) -> list[Any]:
        state = next(self.states)
        return [
            SimpleNamespace(
                job_id=job_id,
                state=state,
                text=self.submitted[job_id][0],
                created_at=NOW + timedelta(seconds=number),
            )
            for number, job_id in reversed(list(enumerate(ids)))
        ]

    def __enter__(self) -> FakeClient:
        return self

    def __exit__(self, *_: object) -> None:
        pass


@pytest.fixture
def running(tmp_path: Path) -> Any:
    """A stack that counts how often it was supervised."""
    calls: list[str] = []
    return SimpleNamespace(
        settings=Settings(state_dir=tmp_path, source="demo-1"),
        services=None,
        supervise=lambda: calls.append("supervised"),
        calls=calls,
    )


def test_demo_never_uses_the_configured_servers_and_folder() -> None:
    settings = Settings(
        database_url="postgresql://production/x",
        broker_url="redis://production/0",
        state_dir=Path("state"),
        source="shop",
    )
    changed = loop.demo_settings(settings, NOW)
    assert (changed.database_url, changed.broker_url) == (None, None)
    assert changed.state_dir == Path("state/demo")
    assert changed.source == "demo-20260501-103005"


def test_job_ids_are_in_the_order_of_the_texts_and_odd_texts_have_their_own_source() -> None:
    client: Any = FakeClient()
    ids = loop.submit(client, TEXTS, "demo-1")
    assert [client.submitted[job_id] for job_id in ids] == [
        ("one", "demo-1"),
        (ODD[0], "demo-1-abroad"),
        ("two", "demo-1"),
        (ODD[1], "demo-1-abroad"),
        ("three", "demo-1"),
    ]


def test_batch_ends_when_every_job_has_ended(running: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    states = (JobState.QUEUED, JobState.LEASED, JobState.SCORED)
    monkeypatch.setattr(loop, "open_client", lambda *_: FakeClient(states))
    monkeypatch.setattr(loop, "POLL_S", 0.0)
    polled: list[JobState] = []
    batch = loop.score_batch(running, TEXTS, lambda results: polled.append(results[0].state))
    assert polled == list(states)
    assert running.calls == ["supervised"] * 3
    assert [result.text for result in batch.results] == TEXTS
    assert batch.since == NOW


def test_batch_that_is_not_scored_in_time_names_the_logs(
    running: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "open_client", lambda *_: FakeClient([JobState.QUEUED] * 2))
    monkeypatch.setattr(loop, "SCORE_TIMEOUT_S", -1.0)
    with pytest.raises(EmbeddedFailed, match=r"^The texts were not scored in time; .*logs in .*"):
        loop.score_batch(running, TEXTS, lambda _: None)
