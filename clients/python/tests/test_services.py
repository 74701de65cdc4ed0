from __future__ import annotations

import fcntl
import json
from pathlib import Path

import pytest

from plumbline_client.errors import BrokerUrlInvalid, ServicesMissing
from plumbline_client.services import ADDRESS_FILE, LOCK_FILE, Services, find_services

ADDRESSES = {"database_url": "postgresql://local/db", "broker_url": "redis://local/0", "pid": 1}


def write_addresses(folder: Path) -> None:
    (folder / ADDRESS_FILE).write_text(json.dumps(ADDRESSES), encoding="utf-8")
    (folder / LOCK_FILE).touch()


def test_configured_urls_come_first(tmp_path: Path) -> None:
    services = find_services("postgresql://a/b", "redis://a/0", tmp_path)
    assert services == Services("postgresql://a/b", "redis://a:6379/0")


def test_urls_from_secret_files_lose_what_surrounds_them(tmp_path: Path) -> None:
    services = find_services("postgresql://a/b\n", '"unix:///run/redis.sock"\r\n', tmp_path)
    assert services == Services("postgresql://a/b", "unix:///run/redis.sock?db=0")


def test_an_empty_secret_file_is_a_missing_url(tmp_path: Path) -> None:
    with pytest.raises(ServicesMissing, match="PLUMBLINE_DATABASE_URL"):
        find_services("postgresql://a/b", "\n", tmp_path)


def test_an_invalid_broker_url_is_refused_before_it_is_used(tmp_path: Path) -> None:
    with pytest.raises(BrokerUrlInvalid, match="no valid port"):
        find_services("postgresql://a/b", "redis://:secret", tmp_path)


def test_missing_urls_come_from_a_running_plumbline_up(tmp_path: Path) -> None:
    write_addresses(tmp_path)
    with (tmp_path / LOCK_FILE).open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        services = find_services(None, "redis://a/0", tmp_path)
    assert services == Services(ADDRESSES["database_url"], "redis://a:6379/0")


def test_services_get_the_user_of_redis_that_only_adds_messages(tmp_path: Path) -> None:
    (tmp_path / ADDRESS_FILE).write_text(
        json.dumps(ADDRESSES | {"broker_urls": {"worker": "redis://worker:pw@local:6379/0"}})
    )
    with (tmp_path / LOCK_FILE).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        by_default = find_services(None, None, tmp_path)
        worker = find_services(None, None, tmp_path, "worker")
        # A `plumbline up` of an earlier release has one user.
        write_addresses(tmp_path)
        earlier = find_services(None, None, tmp_path, "worker")
    assert by_default.broker_url == earlier.broker_url == "redis://local:6379/0"
    assert worker.broker_url == "redis://worker:pw@local:6379/0"


def test_addresses_of_a_run_that_ended_are_ignored(tmp_path: Path) -> None:
    write_addresses(tmp_path)
    with pytest.raises(ServicesMissing, match="PLUMBLINE_DATABASE_URL"):
        find_services(None, None, tmp_path)


def test_an_empty_folder_has_no_services(tmp_path: Path) -> None:
    with pytest.raises(ServicesMissing, match="plumbline up"):
        find_services(None, "redis://a/0", tmp_path)


def test_repr_hides_the_urls() -> None:
    assert "secret" not in repr(Services("postgresql://me:secret@a/b", "redis://:secret@a/0"))
