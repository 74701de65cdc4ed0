import json
from pathlib import Path

import pytest

from plumbline.cli.commands.health import print_report, probe_services
from plumbline.health import Health, HealthReport
from plumbline.heartbeat import Heartbeat, WorkerStatus
from plumbline_client.errors import ServicesMissing
from plumbline_client.services import Services

DATABASE_URL, BROKER_URL = "postgresql://host/db", "redis://host/0"


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
        "signs": [{"able": "loading", "machine": "machine", "name": "worker-1"}],
    }
