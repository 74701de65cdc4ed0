from __future__ import annotations

import fcntl
import json
from pathlib import Path

import pytest

from plumbline_client.errors import ServicesMissing
from plumbline_client.services import ADDRESS_FILE, LOCK_FILE, Services, find_services

ADDRESSES = {"database_url": "postgresql://local/db", "broker_url": "redis://local/0", "pid": 1}


def write_addresses(folder: Path) -> None:
    (folder / ADDRESS_FILE).write_text(json.dumps(ADDRESSES), encoding="utf-8")
    (folder / LOCK_FILE).touch()


def test_given_urls_are_used_as_they_are(tmp_path: Path) -> None:
    services = find_services("postgresql://a/b", "redis://a/0", tmp_path)
    assert services == Services("postgresql://a/b", "redis://a/0")


def test_missing_urls_come_from_a_running_plumbline_up(tmp_path: Path) -> None:
    write_addresses(tmp_path)
    with (tmp_path / LOCK_FILE).open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        services = find_services(None, "redis://a/0", tmp_path)
    assert services == Services(ADDRESSES["database_url"], "redis://a/0")


def test_addresses_of_a_run_that_ended_are_ignored(tmp_path: Path) -> None:
    write_addresses(tmp_path)
    with pytest.raises(ServicesMissing, match="PLUMBLINE_DATABASE_URL"):
        find_services(None, None, tmp_path)


def test_an_empty_folder_has_no_services(tmp_path: Path) -> None:
    with pytest.raises(ServicesMissing, match="plumbline up"):
        find_services(None, "redis://a/0", tmp_path)


def test_repr_hides_the_urls() -> None:
    assert "secret" not in repr(Services("postgresql://me:secret@a/b", "redis://:secret@a/0"))
