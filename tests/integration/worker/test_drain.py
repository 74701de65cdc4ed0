"""Starting and stopping a worker: no text before the model, and none lost or blamed at the end."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from plumbline.settings import Settings
from plumbline_client import Client
from tests import poison
from tests.waiting import eventually
from tests.workers import worker

EXIT_WITHIN_S = 10.0


@pytest.mark.parametrize("seconds", [1, 30])
def test_a_worker_of_1000_slow_texts_is_gone_within_10_s(
    database_url: str, broker_url: str, engine: Engine, tmp_path: Path, seconds: int
) -> None:
    """The text in hand is finished where that takes a second, and given back where it takes 30."""
    with (
        Client(database_url, broker_url, settings=Settings(message_size=1_000)) as client,
        worker(database_url, broker_url, tmp_path, app="tests.poison_app", concurrency=1) as found,
    ):
        list(client.submit_many(f"{poison.SLOW}{seconds} number {n}" for n in range(1_000)))
        found.until_leased(engine, 1_000)
        found.until_logged("a slow text is begun")
        started = time.monotonic()
        found.drain()
        assert time.monotonic() - started < EXIT_WITHIN_S
        assert found.process.returncode == 0
        with engine.connect() as connection:
            rows = connection.execute(
                text("SELECT state, attempts, published_at IS NULL AS due FROM plumbline.jobs")
            ).all()
    scored = [row for row in rows if row.state == "scored"]
    assert len(scored) >= 1 if seconds == 1 else not scored
    # What it did not begin counts as no attempt, and waits for the relay alone.
    others = {(row.state, row.attempts, row.due) for row in rows if row.state != "scored"}
    assert others == {("queued", 0, True)}


def test_no_text_is_taken_before_the_model_is_loaded(
    database_url: str, broker_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = tmp_path / "gate"
    monkeypatch.setenv(poison.GATE, str(gate))
    with Client(database_url, broker_url) as client:
        job = client.submit("See you at six").job_id

        def waits(log: Path) -> bool:
            return "the model waits at the gate" in log.read_text(encoding="utf-8")

        def open_gate() -> None:
            (log,) = eventually(lambda: list(tmp_path.glob("worker-*.log")))
            eventually(lambda: waits(log))
            result = client.result(job)
            assert result is not None and (result.state, result.attempts) == ("queued", 0)
            assert "Task plumbline.score[" not in log.read_text(encoding="utf-8")
            gate.touch()

        with worker(
            database_url,
            broker_url,
            tmp_path,
            app="tests.poison_app",
            concurrency=1,
            settings={"log_level": "DEBUG"},
            while_starting=open_gate,
        ):
            assert client.wait([job])[0].state == "scored"
