"""Start and drain of a worker: it takes no text before its model is loaded, and loses none."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from plumbline_client import Client
from tests import poison
from tests.waiting import eventually
from tests.workers import start_worker

# It takes 6 to 8 s, and more on a loaded machine; a text that is finished takes 30 s.
EXIT_WITHIN_S = 25.0


@pytest.mark.parametrize("seconds", [1, 30])
def test_a_worker_with_1000_slow_texts_exits_soon(
    database_url: str, broker_url: str, engine: Engine, tmp_path: Path, seconds: int
) -> None:
    """A text in flight is finished if it takes a second, and returned if it takes 30."""
    with (
        Client(database_url, broker_url, message_size=1_000) as client,
        start_worker(
            database_url, broker_url, tmp_path, app="tests.poison_app", concurrency=1
        ) as worker,
    ):
        list(client.submit_many(f"{poison.SLOW}{seconds} number {n}" for n in range(1_000)))
        worker.wait_for_leases(engine, 1_000)
        worker.wait_for_log("scoring a slow text")
        started = time.monotonic()
        worker.drain()
        assert time.monotonic() - started < EXIT_WITHIN_S
        assert worker.process.returncode == 0
        with engine.connect() as connection:
            rows = connection.execute(
                text("SELECT state, attempts, published_at IS NULL AS due FROM plumbline.jobs")
            ).all()
    scored = [row for row in rows if row.state == "scored"]
    assert len(scored) >= 1 if seconds == 1 else not scored
    # A text that was not started has no attempt, and is due to be published.
    others = {(row.state, row.attempts, row.due) for row in rows if row.state != "scored"}
    assert others == {("queued", 0, True)}


def test_no_text_is_claimed_before_the_model_is_loaded(
    database_url: str, broker_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = tmp_path / "gate"
    monkeypatch.setenv(poison.GATE, str(gate))
    with Client(database_url, broker_url) as client:
        job = client.submit("See you at six").job_id

        def waits_for_gate(log: Path) -> bool:
            return "waiting for the gate" in log.read_text(encoding="utf-8")

        def open_gate() -> None:
            (log,) = eventually(lambda: list(tmp_path.glob("worker-*.log")))
            eventually(lambda: waits_for_gate(log))
            # The parent may have received the message; only a process claims its text.
            result = client.result(job)
            assert result is not None and (result.state, result.attempts) == ("queued", 0)
            gate.touch()

        with start_worker(
            database_url,
            broker_url,
            tmp_path,
            app="tests.poison_app",
            concurrency=1,
            settings={"log_level": "DEBUG"},
            while_starting=open_gate,
        ):
            assert client.wait([job])[0].state == "scored"
