import logging
import random
import uuid
import weakref
from pathlib import Path

import pytest

from scoring.artifact.artifact import Artifact
from scoring.artifact.manifest import Manifest
from scoring.artifact.trust import Trust
from scoring.errors import ModelUnavailable
from scoring.runtime.fakes import ConstantRuntime, FailingRuntime
from scoring.scorer import Scorer
from storage.serving.deployments import Serving, in_canary_share
from tests.artifacts import write_artifact
from worker.pool.loaded_models import RETRY_S, LoadedModels, Scorers


class Loader:
    """Loads versions with a fake runtime; a version in `broken` fails at its first text."""

    def __init__(self) -> None:
        self.loaded: list[str] = []
        self.broken: set[str] = set()

    def __call__(self, folder: Path, trust: Trust) -> Scorer:
        self.loaded.append(folder.name)
        runtime = FailingRuntime() if folder.name in self.broken else ConstantRuntime()
        return Scorer(Artifact.load(folder, trust), runtime)


@pytest.fixture
def loader() -> Loader:
    return Loader()


@pytest.fixture
def models(tmp_path: Path, loader: Loader) -> LoadedModels:
    for version in ("1.0.0", "1.1.0", "1.2.0"):
        write_artifact(tmp_path, "tiny", version)
    return LoadedModels(tmp_path, "tiny/1.0.0", loader)


def test_the_version_in_the_settings_serves_before_the_first_deployment(
    models: LoadedModels,
) -> None:
    assert models.scorers_for(None).live.name == "tiny/1.0.0"


def test_a_version_is_loaded_once(models: LoadedModels, loader: Loader) -> None:
    first = models.scorers_for(Serving("tiny/1.0.0")).live
    assert models.scorers_for(Serving("tiny/1.0.0")).live is first
    assert loader.loaded == ["1.0.0"]


def test_a_promoted_version_replaces_the_live_one_and_can_be_replaced_again(
    models: LoadedModels,
) -> None:
    names = [
        models.scorers_for(Serving(f"tiny/{v}")).live.name for v in ("1.0.0", "1.1.0", "1.0.0")
    ]
    assert names == ["tiny/1.0.0", "tiny/1.1.0", "tiny/1.0.0"]


def test_the_loaded_version_continues_to_serve_if_its_successor_cannot_be_loaded(
    models: LoadedModels, loader: Loader, caplog: pytest.LogCaptureFixture
) -> None:
    loader.broken = {"1.1.0"}
    loaded = models.scorers_for(Serving("tiny/1.0.0")).live
    with caplog.at_level(logging.ERROR):
        assert models.scorers_for(Serving("tiny/1.1.0"), now=lambda: 0.0).live is loaded
        assert models.scorers_for(Serving("tiny/1.1.0"), now=lambda: RETRY_S - 1).live is loaded
        assert models.scorers_for(Serving("tiny/9.0.0"), now=lambda: RETRY_S + 1).live is loaded
    assert [record.getMessage()[:61] for record in caplog.records] == [
        "tiny/1.1.0 cannot be loaded; tiny/1.0.0 continues to serve: T",
        "tiny/9.0.0 cannot be loaded; tiny/1.0.0 continues to serve: T",
    ]


def test_a_version_whose_files_arrive_late_serves_after_the_retry(
    models: LoadedModels, loader: Loader
) -> None:
    loader.broken = {"1.1.0"}
    models.scorers_for(Serving("tiny/1.0.0"))
    models.scorers_for(Serving("tiny/1.1.0"), now=lambda: 0.0)
    loader.broken = set()
    assert models.scorers_for(Serving("tiny/1.1.0"), now=lambda: RETRY_S).live.name == "tiny/1.1.0"


def test_returning_to_the_loaded_version_loads_nothing(
    models: LoadedModels, loader: Loader
) -> None:
    loader.broken = {"1.1.0"}
    loaded = models.scorers_for(Serving("tiny/1.0.0")).live
    models.scorers_for(Serving("tiny/1.1.0"), now=lambda: 0.0)
    assert models.scorers_for(Serving("tiny/1.0.0"), now=lambda: 1.0).live is loaded
    assert loader.loaded == ["1.0.0", "1.1.0"]


class Registry:
    """Registered hashes, and what was refused and accepted."""

    def __init__(self, hashes: dict[str, str]) -> None:
        self.hashes = hashes
        self.refused: list[str] = []
        self.accepted: list[str] = []

    def trust(self, model: str) -> Trust:
        return Trust(self.hashes.get(model))

    def refuse(self, model: str, reason: str) -> None:
        self.refused.append(model)

    def accept(self, model: str) -> None:
        self.accepted.append(model)


def test_a_version_that_is_not_the_registered_one_does_not_serve(
    tmp_path: Path, models: LoadedModels, loader: Loader
) -> None:
    registry = Registry({"tiny/1.1.0": "0" * 64})
    models = LoadedModels(tmp_path, "tiny/1.0.0", loader, registry)
    loaded = models.scorers_for(Serving("tiny/1.0.0")).live
    assert models.scorers_for(Serving("tiny/1.1.0"), now=lambda: 0.0).live is loaded
    assert (registry.refused, registry.accepted) == (["tiny/1.1.0"], ["tiny/1.0.0"])
    registry.hashes["tiny/1.1.0"] = Manifest.read(tmp_path / "tiny/1.1.0").sha256
    live = models.scorers_for(Serving("tiny/1.1.0"), now=lambda: RETRY_S).live
    assert live.name == "tiny/1.1.0"
    assert registry.accepted == ["tiny/1.0.0", "tiny/1.1.0"]


def test_the_error_is_raised_if_no_version_is_loaded(models: LoadedModels, loader: Loader) -> None:
    with pytest.raises(ModelUnavailable, match=r"There is no model tiny/9\.0\.0"):
        models.scorers_for(Serving("tiny/9.0.0"))
    loader.broken = {"1.0.0"}
    with pytest.raises(ModelUnavailable):
        models.scorers_for(Serving("tiny/1.0.0"))
    loader.broken = set()
    assert models.scorers_for(Serving("tiny/1.0.0")).live.name == "tiny/1.0.0"


def test_a_version_that_cannot_be_loaded_does_not_delay_the_next(
    models: LoadedModels, loader: Loader
) -> None:
    loader.broken = {"1.1.0"}
    models.scorers_for(Serving("tiny/1.0.0"))
    models.scorers_for(Serving("tiny/1.1.0"), now=lambda: 0.0)
    assert models.scorers_for(Serving("tiny/1.2.0"), now=lambda: 1.0).live.name == "tiny/1.2.0"


def scorer_names(scorers: Scorers, jobs: list[uuid.UUID]) -> set[str]:
    return {scorers.for_job(job).name for job in jobs}


def random_ids(count: int, seed: int = 4) -> list[uuid.UUID]:
    generator = random.Random(seed)
    return [uuid.UUID(int=generator.getrandbits(128), version=4) for _ in range(count)]


def test_the_canary_scores_its_share_and_the_live_version_the_rest(models: LoadedModels) -> None:
    jobs = random_ids(100)
    scorers = models.scorers_for(Serving("tiny/1.0.0", canary="tiny/1.1.0", canary_share=0.3))
    for job in jobs:
        expected = "tiny/1.1.0" if in_canary_share(job, 0.3) else "tiny/1.0.0"
        assert scorers.for_job(job).name == expected
    assert scorer_names(models.scorers_for(Serving("tiny/1.0.0")), jobs) == {"tiny/1.0.0"}


def test_the_live_version_scores_the_share_of_a_canary_that_cannot_be_loaded(
    models: LoadedModels, loader: Loader, caplog: pytest.LogCaptureFixture
) -> None:
    loader.broken = {"1.1.0"}
    jobs = random_ids(100)
    serving = Serving("tiny/1.0.0", canary="tiny/1.1.0", canary_share=0.5)
    assert scorer_names(models.scorers_for(serving, now=lambda: 0.0), jobs) == {"tiny/1.0.0"}
    assert "tiny/1.1.0 cannot be loaded; tiny/1.0.0 continues to serve" in caplog.text
    loader.broken = set()
    assert len(scorer_names(models.scorers_for(serving, now=lambda: 1.0), jobs)) == 1
    assert len(scorer_names(models.scorers_for(serving, now=lambda: RETRY_S), jobs)) == 2


def test_a_shadow_is_loaded_on_demand(models: LoadedModels, loader: Loader) -> None:
    serving = Serving("tiny/1.0.0", shadow="tiny/1.1.0")
    assert scorer_names(models.scorers_for(serving), random_ids(9)) == {"tiny/1.0.0"}
    assert loader.loaded == ["1.0.0"]
    shadow = models.shadow_scorer(serving)
    assert shadow is not None and shadow.name == "tiny/1.1.0"
    models.scorers_for(serving)
    assert models.shadow_scorer(serving) is shadow
    assert models.shadow_scorer(Serving("tiny/1.0.0")) is None


def test_a_shadow_that_cannot_be_loaded_is_none(models: LoadedModels, loader: Loader) -> None:
    loader.broken = {"1.1.0"}
    serving = Serving("tiny/1.0.0", shadow="tiny/1.1.0")
    models.scorers_for(serving)
    assert models.shadow_scorer(serving, now=lambda: 0.0) is None
    assert models.shadow_scorer(serving, now=lambda: 1.0) is None
    assert loader.loaded == ["1.0.0", "1.1.0"], "it is not loaded again for each message"


def test_a_version_that_no_longer_serves_is_dropped_and_a_loaded_one_is_reused(
    models: LoadedModels, loader: Loader
) -> None:
    serving = Serving("tiny/1.0.0", "tiny/1.1.0", "tiny/1.2.0", 0.5)
    scorers, shadow = models.scorers_for(serving), models.shadow_scorer(serving)
    assert scorers.canary is not None and shadow is not None
    references = [weakref.ref(scorer) for scorer in (scorers.live, shadow, scorers.canary)]
    del scorers, shadow
    assert [reference() is not None for reference in references] == [True, True, True]
    models.scorers_for(Serving("tiny/1.2.0"))
    assert [reference() is not None for reference in references] == [False, False, True]
    assert loader.loaded == ["1.0.0", "1.2.0", "1.1.0"]
