from __future__ import annotations

from pathlib import Path

import pytest

from plumbline.celery_plugin import WORKER, option, shadowing_module

PATH = [str(WORKER.parents[1])]


@pytest.mark.parametrize(
    "arguments",
    [["-A", "app"], ["-Aapp"], ["-A=app"], ["--app", "app"], ["--app=app"], ["-q", "-A", "app"]],
)
def test_option_accepts_every_spelling(arguments: list[str]) -> None:
    assert option([*arguments, "worker"], "-A", "--app") == "app"


def test_a_missing_option_has_no_value() -> None:
    assert option(["worker", "--loglevel", "INFO"], "-A", "--app") is None
    assert option(["-A"], "-A", "--app") == ""


@pytest.fixture
def foreign(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a foreign module `worker`."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("APP", raising=False)
    module = tmp_path / "worker.py"
    module.touch()
    return module


@pytest.mark.parametrize("app", ["worker", "worker.celery", "worker.celery:app", "worker:app"])
def test_a_foreign_module_in_the_current_folder_is_named(foreign: Path, app: str) -> None:
    assert shadowing_module(["-A", app, "worker"], PATH) == str(foreign)


def test_a_foreign_package_is_named_as_well(foreign: Path) -> None:
    foreign.unlink()
    package = foreign.parent / "worker"
    package.mkdir()
    # Without __init__.py it is a namespace package, and Plumbline's package takes precedence.
    assert shadowing_module(["-A", "worker"], PATH) is None
    (package / "__init__.py").touch()
    assert shadowing_module(["-A", "worker"], PATH) == str(package / "__init__.py")


def test_the_app_may_come_from_the_environment(
    foreign: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("APP", "worker")
    assert shadowing_module(["worker"], PATH) == str(foreign)


def test_other_apps_and_folders_are_left_alone(foreign: Path, tmp_path: Path) -> None:
    assert shadowing_module(["-A", "proj", "worker"], PATH) is None
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    arguments = ["--workdir", str(elsewhere), "-A", "worker", "worker"]
    assert shadowing_module(arguments, PATH) is None
    assert shadowing_module(["-A", "worker"], []) == str(foreign)
