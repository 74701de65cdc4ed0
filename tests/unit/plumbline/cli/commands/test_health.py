import json
from pathlib import Path

import pytest

from plumbline.cli.probe import print_report, probe_services
from plumbline.clocks import Clocks
from plumbline.health import Health, HealthReport
from plumbline.heartbeat import Heartbeat, WorkerStatus
from plumbline_client.errors import ServicesMissing
from plumbline_client.services import Services
from storage.task_ages import PeriodicTaskAge

DATABASE_URL, BROKER_URL = "postgresql://host/db", "redis://host:6379/0"


def test_urls_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLUMBLINE_DATABASE_URL", DATABASE_URL)
    monkeypatch.setenv("PLUMBLINE_BROKER_URL", BROKER_URL)
    assert probe_services() == Services(DATABASE_URL, BROKER_URL)


def test_urls_come_from_the_settings_if_the_environment_lacks_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PLUMBLINE_DATABASE_URL", DATABASE_URL)
    monkeypatch.setenv("PLUMBLINE_BROKER_URL", "")
    with pytest.raises(ServicesMissing):
        probe_services()
    (tmp_path / ".env").write_text(f"PLUMBLINE_BROKER_URL={BROKER_URL}\n", encoding="utf-8")
    assert probe_services() == Services(DATABASE_URL, BROKER_URL)


def test_report_is_json_or_its_reason(capsys: pytest.CaptureFixture[str]) -> None:
    beat = Heartbeat(WorkerStatus.LOADING, "machine", "worker-1")
    report = HealthReport(Health.NOT_READY, "No worker has loaded its model yet.", [beat])
    print_report(report, as_json=False)
    assert capsys.readouterr().out == "No worker has loaded its model yet.\n"
    print_report(report, as_json=True)
    assert json.loads(capsys.readouterr().out) == {
        "health": "not_ready",
        "live": True,
        "ready": False,
        "progressing": False,
        "reason": "No worker has loaded its model yet.",
        "signs": [
            {"able": "loading", "machine": "machine", "name": "worker-1", "clock_ahead_s": None}
        ],
        "warnings": [],
        "clock_ahead_s": None,
        "redis_clock_ahead_s": None,
        "periodic_tasks": [],
    }


def test_warnings_follow_the_reason(capsys: pytest.CaptureFixture[str]) -> None:
    beat = Heartbeat(WorkerStatus.BEAT, "machine", "beat", -20.0)
    report = HealthReport(
        Health.HEALTHY,
        "Live.",
        [beat],
        ["A clock is wrong."],
        Clocks(this_machine_s=0.5, redis_s=12.0),
        [PeriodicTaskAge("plumbline.sweep", 5.0, 3.0)],
    )
    print_report(report, as_json=False)
    assert capsys.readouterr().out == "Live.\nA clock is wrong.\n"
    print_report(report, as_json=True)
    printed = json.loads(capsys.readouterr().out)
    assert printed["progressing"]
    assert printed["warnings"] == ["A clock is wrong."]
    assert (printed["clock_ahead_s"], printed["redis_clock_ahead_s"]) == (0.5, 12.0)
    assert printed["signs"][0]["clock_ahead_s"] == -8.0
    assert printed["periodic_tasks"] == [
        {"task": "plumbline.sweep", "every_s": 5.0, "age_s": 3.0, "since_completed_s": 0.0}
    ]
