from pathlib import Path

import pytest

from plumbline.embedded.processes import celery_processes, child_environment
from plumbline.services import Services
from plumbline.settings import Settings
from tests.foreign_environment import FOREIGN

SERVICES = Services("postgresql://nobody@localhost/none", "redis://localhost/0")


def metrics_ports(tmp_path: Path, metrics_port: int) -> list[tuple[bool, str]]:
    """Return whether each process is a worker, and its port."""
    settings = Settings(state_dir=tmp_path, metrics_port=metrics_port)
    variable = "PLUMBLINE_METRICS_PORT"
    processes = celery_processes(settings, SERVICES)
    return [(process.node is not None, process.environment[variable]) for process in processes]


def test_each_worker_serves_its_metrics_on_its_own_port(tmp_path: Path) -> None:
    ports = [port for is_worker, port in metrics_ports(tmp_path, 9464) if is_worker]
    assert ports == ["9464", "9465", "9466"]


def test_without_a_port_no_process_serves_metrics(tmp_path: Path) -> None:
    assert {port for _, port in metrics_ports(tmp_path, 0)} == {"0"}


def test_children_get_every_setting_and_both_urls(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLUMBLINE_DATABASE_URL", "postgresql://elsewhere")
    monkeypatch.setenv("PLUMBLINE_MODEL", "another")
    monkeypatch.setenv("PLUMBLINE_LEASE_S", "7.5")
    settings = Settings.read().model_copy(
        update={"database_url": None, "model": "sms-spam", "state_dir": tmp_path}
    )
    environment = child_environment(settings, SERVICES)
    assert environment["PLUMBLINE_DATABASE_URL"] == SERVICES.database_url
    assert environment["PLUMBLINE_BROKER_URL"] == SERVICES.broker_url
    for name, value in environment.items():
        if name.startswith("PLUMBLINE_"):
            monkeypatch.setenv(name, value)
    urls = {"database_url": None, "broker_url": None}
    assert Settings.read().model_copy(update=urls) == settings.model_copy(update=urls)


def test_children_get_nothing_that_configures_celery(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in FOREIGN.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("REMAP_SIGTERM", "SIGQUIT")
    settings = Settings(state_dir=tmp_path, _env_file=None)
    for process in celery_processes(settings, SERVICES):
        foreign = FOREIGN.keys() & process.environment.keys()
        assert foreign == {"NO_COLOR", "PYTHONWARNINGS", "TOKENIZERS_PARALLELISM", "TZ"}
        assert "REMAP_SIGTERM" not in process.environment
        assert process.environment["PLUMBLINE_BROKER_URL"] == SERVICES.broker_url
        assert "--loglevel" not in process.command, "it is a setting"
