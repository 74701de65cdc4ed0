from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from plumbline.embedded.celery_process import MAX_RESTARTS, CeleryProcess
from plumbline.embedded.errors import EmbeddedFailed
from plumbline.embedded.interrupts import Interrupts
from plumbline.embedded.stack import Stack, _migrate, stack
from plumbline.services import Services
from plumbline.settings import Settings
from plumbline_client.errors import DatabaseNotReady
from tests.leftovers import processes_of
from tests.waiting import eventually


@dataclass
class RecordingReporter:
    sentences: list[str] = field(default_factory=list)

    def step(self, name: str) -> None:
        self.sentences.append(name)

    def done(self) -> None:
        pass

    def cancel(self) -> None:
        pass

    def note(self, sentence: str) -> None:
        self.sentences.append(sentence)


def test_a_folder_that_cannot_be_created_is_reported_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    settings = Settings(state_dir=tmp_path / "file" / "state", _env_file=None)
    reporter = RecordingReporter()
    with (
        pytest.raises(EmbeddedFailed, match="set PLUMBLINE_STATE_DIR"),
        stack(settings, reporter),
    ):
        pass


def test_a_celery_process_that_dies_is_restarted_until_it_dies_too_often(tmp_path: Path) -> None:
    process = CeleryProcess(
        "The sleeper", ["sleep", "600"], tmp_path / "log", tmp_path, dict(os.environ)
    )
    reporter = RecordingReporter()
    with Interrupts() as interrupts:
        settings = Settings(state_dir=tmp_path, _env_file=None)
        services = Services("postgresql://x@127.0.0.1:1/x", "redis://127.0.0.1:1/0")
        running = Stack(settings, services, [], [process], reporter, interrupts)
        process.start()
        for _ in range(MAX_RESTARTS):
            assert process.process is not None
            process.process.kill()
            eventually(lambda: running.supervise() or process.process is None)
            # As if the delay of its next start were over.
            process.start_at = time.monotonic()
            running.supervise()
            assert process.process is not None
        process.process.kill()
        with pytest.raises(EmbeddedFailed, match="more than 4 times in 300 s, so `plumbline up`"):
            eventually(lambda: running.supervise())
    assert len(reporter.sentences) == MAX_RESTARTS
    assert reporter.sentences[0].startswith(
        "The sleeper was killed by SIGKILL and restarts in 1 s; its log, "
    )
    assert processes_of(tmp_path) == []


def test_exits_while_a_server_cannot_be_used_do_not_count(tmp_path: Path) -> None:
    process = CeleryProcess("It", ["false"], tmp_path / "log", tmp_path, dict(os.environ))
    reporter = RecordingReporter()
    with Interrupts() as interrupts:
        settings = Settings(state_dir=tmp_path, _env_file=None)
        services = Services("postgresql://x@127.0.0.1:1/x", "redis://127.0.0.1:1/0")
        running = Stack(settings, services, [], [process], reporter, interrupts)
        process.start()
        while len(reporter.sentences) < MAX_RESTARTS + 2:
            running.supervise()
            process.start_at = time.monotonic()
    assert reporter.sentences[-1].startswith(
        "It exited with status 1 and restarts later, since Redis at redis://127.0.0.1:1/0 cannot be"
    )


def test_another_programs_postgresql_is_waited_for_until_it_is_ready(
    database_url: str, broker_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = 0

    def upgrade(_: object, **__: object) -> None:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise DatabaseNotReady("its disk is full.")

    monkeypatch.setattr("storage.migrate.upgrade", upgrade)
    reporter = RecordingReporter()
    with Interrupts() as interrupts:
        _migrate(Services(database_url, broker_url), reporter, interrupts)
    assert reporter.sentences[1:] == ["Waiting, since its disk is full."] and calls == 2
