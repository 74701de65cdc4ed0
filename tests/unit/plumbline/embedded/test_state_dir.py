import json
import stat
from pathlib import Path

import pytest

from plumbline.embedded import state_dir
from plumbline.embedded.errors import EmbeddedFailed
from plumbline.embedded.state_dir import rotate_logs
from plumbline.services import Services, address_file
from plumbline.settings import Settings


def write_logs(folder: Path, **logs: str) -> None:
    for name, content in logs.items():
        path = folder / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.with_suffix(".log").write_text(content)


def contents(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_text() for path in files}


def test_one_previous_generation_of_every_log_is_kept(tmp_path: Path) -> None:
    for run in ("first", "second", "third"):
        rotate_logs(tmp_path)
        write_logs(tmp_path, logs__worker=run, postgres__server=run, redis__server=run)
    assert contents(tmp_path) == {
        "logs/worker.log": "third",
        "logs/worker.log.1": "second",
        "postgres/server.log": "third",
        "postgres/server.log.1": "second",
        "redis/server.log": "third",
        "redis/server.log.1": "second",
    }


def test_rotation_touches_nothing_but_logs(tmp_path: Path) -> None:
    (tmp_path / "postgres" / "data").mkdir(parents=True)
    (tmp_path / "postgres" / "data" / "inner.log").write_text("PostgreSQL's own")
    (tmp_path / "postgres" / "password").write_text("secret")
    before = contents(tmp_path)
    rotate_logs(tmp_path)
    assert contents(tmp_path) == before


def test_rotation_without_a_state_folder_does_nothing(tmp_path: Path) -> None:
    rotate_logs(tmp_path / "none")
    assert list(tmp_path.iterdir()) == []


def test_a_log_that_cannot_be_renamed_does_not_stop_the_rotation(tmp_path: Path) -> None:
    write_logs(tmp_path, logs__worker="x", redis__server="y")
    # A folder has the new name of the first log, and no file can take its place.
    (tmp_path / "logs" / "worker.log.1").mkdir()
    rotate_logs(tmp_path)
    assert (tmp_path / "logs" / "worker.log").read_text() == "x"
    assert (tmp_path / "redis" / "server.log.1").read_text() == "y"


def test_a_state_folder_that_cannot_be_created_is_reported_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    settings = Settings(state_dir=tmp_path / "file" / "state", _env_file=None)
    with pytest.raises(EmbeddedFailed, match=r"Not a directory.* set PLUMBLINE_STATE_DIR"):
        state_dir.create(settings)


def test_published_addresses_are_readable_by_this_user_alone(tmp_path: Path) -> None:
    settings = Settings(state_dir=tmp_path, _env_file=None)
    urls = {"worker": "redis://worker@x", "producer": "redis://producer@x"}
    state_dir.publish_addresses(settings, Services("postgresql://x", "redis://worker@x"), urls)
    assert stat.S_IMODE(address_file(settings).stat().st_mode) == 0o600
    addresses = json.loads(address_file(settings).read_text())
    assert (addresses["database_url"], addresses["broker_url"]) == (
        "postgresql://x",
        "redis://producer@x",
    )
    assert addresses["broker_urls"] == urls
