from __future__ import annotations

import os
from pathlib import Path

import pytest

from plumbline.celery_plugin import (
    WORKER,
    clean,
    names_plumbline,
    option,
    prepare,
    refusal,
    shadowing_module,
)

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
    for name in ("APP", "CELERY_APP"):
        monkeypatch.delenv(name, raising=False)
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


@pytest.mark.parametrize("variable", ["APP", "CELERY_APP"])
def test_the_app_may_come_from_the_environment(
    foreign: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, "worker")
    assert shadowing_module(["worker"], PATH) == str(foreign)


def test_other_apps_and_folders_are_left_alone(foreign: Path, tmp_path: Path) -> None:
    assert shadowing_module(["-A", "proj", "worker"], PATH) is None
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    arguments = ["--workdir", str(elsewhere), "-A", "worker", "worker"]
    assert shadowing_module(arguments, PATH) is None
    assert shadowing_module(["-A", "worker"], []) == str(foreign)


@pytest.mark.parametrize(
    ("arguments", "environment", "expected"),
    [
        (["-A", "worker", "worker"], {}, True),
        (["--app=worker.celery:app", "beat"], {"APP": "shop"}, True),
        (["worker"], {"APP": "worker"}, True),
        (["worker"], {"APP": "shop", "CELERY_APP": "worker"}, False),
        (["multi", "start", "w1", "-Aworker"], {}, True),
        (["-A", "shop", "worker"], {"APP": "worker"}, False),
        (["worker"], {}, False),
    ],
)
def test_only_commands_for_our_app_are_prepared(
    arguments: list[str], environment: dict[str, str], expected: bool
) -> None:
    assert names_plumbline(arguments, environment) is expected


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        (["-A", "worker", "-b", "redis://x", "worker"], "--broker"),
        (["-bredis://x", "-A", "worker", "inspect", "ping"], "--broker"),
        (["-A", "worker", "--broker=redis://x", "beat"], "--broker"),
        (["multi", "start", "w1", "-A", "worker", "-b", "redis://x"], "--broker"),
        (["-A", "worker", "--config", "production", "worker"], "--config"),
        (["-A", "worker", "--loader=app", "worker"], "--loader"),
        (["-A", "worker", "--result-backend", "x", "worker"], "--result-backend"),
    ],
)
def test_an_option_that_would_override_a_setting_is_refused(
    arguments: list[str], name: str
) -> None:
    sentence = refusal(arguments)
    assert sentence is not None and f"takes no {name}, since" in sentence
    assert sentence.endswith(".") and "redis" not in sentence


@pytest.mark.parametrize(
    "arguments",
    [
        "-A worker inspect ping",
        "--app=worker control shutdown",
        "-Aworker status",
        "--workdir inspect -A worker events",
    ],
)
def test_a_command_of_remote_control_is_refused(arguments: str) -> None:
    sentence = refusal(arguments.split())
    assert sentence is not None and "use `plumbline status`" in sentence


def test_other_options_are_accepted() -> None:
    arguments = "-A worker worker -B -c 2 -l INFO -Q plumbline.score -n w1 --without-mingle"
    assert refusal(arguments.split()) is None


@pytest.mark.parametrize(
    ("value", "expected"), [("please", "1"), ("1", "1"), ("false", "false"), ("", "")]
)
def test_no_color_may_have_any_value(value: str, expected: str) -> None:
    environment = {"NO_COLOR": value, "BROKER_URL": "redis://x", "HOME": "/home"}
    clean(environment)
    assert environment == {"NO_COLOR": expected, "HOME": "/home"}


def test_the_environment_of_other_apps_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CELERY_BROKER_URL", "redis://theirs")
    monkeypatch.delenv("APP", raising=False)
    prepare(["-A", "shop", "worker", "-b", "redis://theirs"])
    assert os.environ["CELERY_BROKER_URL"] == "redis://theirs"


def test_what_a_worker_writes_is_for_its_user_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(WORKER.parents[1])
    for name in ("clean", "disarm_warnings"):
        monkeypatch.setattr(f"plumbline.celery_plugin.{name}", lambda *_: None)
    previous = os.umask(0)
    try:
        prepare(["-A", "shop", "worker"])
        assert os.umask(0) == 0
        prepare(["-A", "worker", "worker"])
        assert os.umask(0) == 0o077
    finally:
        os.umask(previous)
