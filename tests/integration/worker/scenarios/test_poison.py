"""Texts that crash, exhaust or block the process that scores them, with real processes."""

from __future__ import annotations

from pathlib import Path

import psutil
from sqlalchemy import Engine, text

from plumbline_client import Client
from tests import poison
from tests.workers import start_beat, start_worker

# No lease expires during a test, so the jobs of a dead process return only by its crash report.
SETTINGS = {
    "text_timeout_s": 2,
    "child_memory_mb": 1_000,
    "lease_s": 600,
    "sweep_every_s": 1,
    "max_attempts": 2,
}
TIMEOUT_S = 90.0
REASONS = {
    poison.SEGFAULT: "its worker process was killed by SIGSEGV",
    poison.HANG: "the time limit of 2 s passed while it was being scored",
    poison.EXHAUST: "it needs more memory than a worker process may take",
}


def test_poison_is_quarantined_and_its_neighbours_are_scored(
    database_url: str, broker_url: str, tmp_path: Path
) -> None:
    with (
        start_worker(
            database_url, broker_url, tmp_path, settings=SETTINGS, app="tests.poison_app"
        ) as worker,
        start_beat(database_url, broker_url, tmp_path, settings=SETTINGS),
        Client(database_url, broker_url, message_size=17) as client,
    ):
        # One message of 17 texts per kind, with the poison in its middle.
        good = [f"See you at six, number {n}" for n in range(16)]
        texts = [text for kind in REASONS for text in (*good[:8], kind, *good[8:])]
        ids = [receipt.job_id for receipt in client.submit_many(texts)]
        parent = psutil.Process(worker.process.pid)
        results = client.wait(ids, timeout_s=TIMEOUT_S)
        poisoned = {row.text: row for row in results if row.text in REASONS}
        assert {kind: row.error for kind, row in poisoned.items()} == {
            kind: f"given up after 2 attempts: {reason}" for kind, reason in REASONS.items()
        }
        assert {(row.state, row.attempts) for row in poisoned.values()} == {("quarantined", 2)}
        neighbours = [row for row in results if row.text not in REASONS]
        assert len(neighbours) == 48
        # The crash report names the text at fault, so its neighbours need no second attempt.
        assert {(row.state, row.attempts) for row in neighbours} == {("scored", 1)}
        assert parent.is_running()


def test_the_texts_of_a_worker_that_died_with_its_parent_are_soon_scored(
    database_url: str, broker_url: str, engine: Engine, tmp_path: Path
) -> None:
    """Nobody is left to report the crash: the leases expire, while a live worker renews its own."""
    settings = {"lease_s": 2, "sweep_every_s": 0.5}
    with (
        start_beat(database_url, broker_url, tmp_path, settings=settings),
        Client(database_url, broker_url, message_size=3) as client,
        start_worker(
            database_url,
            broker_url,
            tmp_path,
            settings=settings,
            app="tests.poison_app",
            concurrency=1,
        ) as worker,
    ):
        slow = [receipt.job_id for receipt in client.submit_many([f"{poison.SLOW} 5", "a", "b"])]
        assert {row.attempts for row in client.wait(slow)} == {1}, "a lease was not renewed"
        killed = [receipt.job_id for receipt in client.submit_many([f"{poison.SLOW} 60", "c", "d"])]
        worker.wait_for_leases(engine, 3)
        worker.kill()
        with engine.begin() as connection:
            connection.execute(
                text("UPDATE plumbline.jobs SET text = 'e' WHERE id = :id"), {"id": killed[0]}
            )
        with start_worker(database_url, broker_url, tmp_path, settings=settings, concurrency=1):
            results = client.wait(killed, timeout_s=20.0)
        assert {(row.state, row.attempts) for row in results} == {("scored", 2)}
