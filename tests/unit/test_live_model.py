import logging
from pathlib import Path

import pytest

from scoring.artifact import Artifact
from scoring.errors import ArtifactMissing, ScoringError
from scoring.fakes import ConstantRuntime, FailingRuntime
from scoring.scorer import Scorer
from tests.artifacts import write_artifact
from worker.live_model import RETRY_S, LiveModel


class Loader:
    """Loads with a fake runtime; a version in `broken` fails at its first text."""

    def __init__(self) -> None:
        self.loaded: list[str] = []
        self.broken: set[str] = set()

    def __call__(self, folder: Path) -> Scorer:
        self.loaded.append(folder.name)
        runtime = FailingRuntime() if folder.name in self.broken else ConstantRuntime()
        return Scorer(Artifact.load(folder), runtime)


@pytest.fixture
def loader() -> Loader:
    return Loader()


@pytest.fixture
def live(tmp_path: Path, loader: Loader) -> LiveModel:
    for version in ("1.0.0", "1.1.0", "1.2.0"):
        write_artifact(tmp_path, "tiny", version)
    return LiveModel(tmp_path, "tiny/1.0.0", loader)


def test_before_the_first_deployment_the_setting_decides(live: LiveModel) -> None:
    assert live.scorer(None).name == "tiny/1.0.0"


def test_a_version_is_loaded_once(live: LiveModel, loader: Loader) -> None:
    first = live.scorer("tiny/1.0.0")
    assert live.scorer("tiny/1.0.0") is first
    assert loader.loaded == ["1.0.0"]


def test_another_version_replaces_it_and_back_again(live: LiveModel) -> None:
    names = [live.scorer(f"tiny/{v}").name for v in ("1.0.0", "1.1.0", "1.0.0")]
    assert names == ["tiny/1.0.0", "tiny/1.1.0", "tiny/1.0.0"]


def test_a_version_that_fails_is_told_and_the_one_held_goes_on(
    live: LiveModel, loader: Loader, caplog: pytest.LogCaptureFixture
) -> None:
    loader.broken = {"1.1.0"}
    held = live.scorer("tiny/1.0.0")
    with caplog.at_level(logging.ERROR):
        assert live.scorer("tiny/1.1.0", now=lambda: 0.0) is held
        assert live.scorer("tiny/1.1.0", now=lambda: RETRY_S - 1) is held
        assert live.scorer("tiny/9.0.0", now=lambda: RETRY_S + 1) is held
    assert [record.getMessage()[:50] for record in caplog.records] == [
        "tiny/1.1.0 cannot serve, and tiny/1.0.0 goes on: T",
        "tiny/9.0.0 cannot serve, and tiny/1.0.0 goes on: T",
    ]


def test_a_version_whose_files_come_late_serves_then(live: LiveModel, loader: Loader) -> None:
    loader.broken = {"1.1.0"}
    live.scorer("tiny/1.0.0")
    live.scorer("tiny/1.1.0", now=lambda: 0.0)
    loader.broken = set()
    assert live.scorer("tiny/1.1.0", now=lambda: RETRY_S).name == "tiny/1.1.0"


def test_going_back_to_the_one_held_needs_no_loading(live: LiveModel, loader: Loader) -> None:
    loader.broken = {"1.1.0"}
    held = live.scorer("tiny/1.0.0")
    live.scorer("tiny/1.1.0", now=lambda: 0.0)
    assert live.scorer("tiny/1.0.0", now=lambda: 1.0) is held
    assert loader.loaded == ["1.0.0", "1.1.0"]


def test_with_none_held_the_error_is_raised(live: LiveModel, loader: Loader) -> None:
    with pytest.raises(ArtifactMissing):
        live.scorer("tiny/9.0.0")
    loader.broken = {"1.0.0"}
    with pytest.raises(ScoringError):
        live.scorer("tiny/1.0.0")
    loader.broken = set()
    assert live.scorer("tiny/1.0.0").name == "tiny/1.0.0"
