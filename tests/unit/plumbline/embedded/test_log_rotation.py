from pathlib import Path

from plumbline.embedded.log_rotation import rotate


def write(state: Path, **logs: str) -> None:
    for name, content in logs.items():
        path = state / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.with_suffix(".log").write_text(content)


def contents(state: Path) -> dict[str, str]:
    files = (path for path in state.rglob("*") if path.is_file())
    return {path.relative_to(state).as_posix(): path.read_text() for path in files}


def test_one_previous_generation_of_every_log_is_kept(tmp_path: Path) -> None:
    for run in ("first", "second", "third"):
        rotate(tmp_path)
        write(tmp_path, logs__worker=run, postgres__server=run, redis__server=run)
    assert contents(tmp_path) == {
        "logs/worker.log": "third",
        "logs/worker.log.1": "second",
        "postgres/server.log": "third",
        "postgres/server.log.1": "second",
        "redis/server.log": "third",
        "redis/server.log.1": "second",
    }


def test_nothing_else_in_the_folder_is_touched(tmp_path: Path) -> None:
    (tmp_path / "postgres" / "data").mkdir(parents=True)
    (tmp_path / "postgres" / "data" / "inner.log").write_text("PostgreSQL's own")
    (tmp_path / "postgres" / "password").write_text("secret")
    before = contents(tmp_path)
    rotate(tmp_path)
    assert contents(tmp_path) == before


def test_a_start_without_a_state_has_nothing_to_set_aside(tmp_path: Path) -> None:
    rotate(tmp_path / "none")
    assert list(tmp_path.iterdir()) == []


def test_a_log_that_cannot_be_renamed_stops_nothing(tmp_path: Path) -> None:
    write(tmp_path, logs__worker="x", redis__server="y")
    # A folder stands where the first should go, and no file can take its place.
    (tmp_path / "logs" / "worker.log.1").mkdir()
    rotate(tmp_path)
    assert (tmp_path / "logs" / "worker.log").read_text() == "x"
    assert (tmp_path / "redis" / "server.log.1").read_text() == "y"
