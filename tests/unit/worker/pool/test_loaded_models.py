import logging
import random
import uuid
import weakref
from itertools import pairwise
from pathlib import Path

import pytest

from scoring.artifact.artifact import Artifact
from scoring.errors import ArtifactMissing, ScoringError
from scoring.runtime.fakes import ConstantRuntime, FailingRuntime
from scoring.scorer import Scorer
from storage.serving.deployments import Serving, in_canary_share
from tests.artifacts import write_artifact
from worker.pool.loaded_models import RETRY_S, LoadedModels, Scorers


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
def live(tmp_path: Path, loader: Loader) -> LoadedModels:
    for version in ("1.0.0", "1.1.0", "1.2.0"):
        write_artifact(tmp_path, "tiny", version)
    return LoadedModels(tmp_path, "tiny/1.0.0", loader)


def test_before_the_first_deployment_the_setting_decides(live: LoadedModels) -> None:
    assert live.answering(None).live.name == "tiny/1.0.0"


def test_a_version_is_loaded_once(live: LoadedModels, loader: Loader) -> None:
    first = live.answering(Serving("tiny/1.0.0")).live
    assert live.answering(Serving("tiny/1.0.0")).live is first
    assert loader.loaded == ["1.0.0"]


def test_another_version_replaces_it_and_back_again(live: LoadedModels) -> None:
    names = [live.answering(Serving(f"tiny/{v}")).live.name for v in ("1.0.0", "1.1.0", "1.0.0")]
    assert names == ["tiny/1.0.0", "tiny/1.1.0", "tiny/1.0.0"]


def test_a_version_that_fails_is_told_and_the_one_held_goes_on(
    live: LoadedModels, loader: Loader, caplog: pytest.LogCaptureFixture
) -> None:
    loader.broken = {"1.1.0"}
    held = live.answering(Serving("tiny/1.0.0")).live
    with caplog.at_level(logging.ERROR):
        assert live.answering(Serving("tiny/1.1.0"), now=lambda: 0.0).live is held
        assert live.answering(Serving("tiny/1.1.0"), now=lambda: RETRY_S - 1).live is held
        assert live.answering(Serving("tiny/9.0.0"), now=lambda: RETRY_S + 1).live is held
    assert [record.getMessage()[:50] for record in caplog.records] == [
        "tiny/1.1.0 cannot serve, and tiny/1.0.0 goes on: T",
        "tiny/9.0.0 cannot serve, and tiny/1.0.0 goes on: T",
    ]


def test_a_version_whose_files_come_late_serves_then(live: LoadedModels, loader: Loader) -> None:
    loader.broken = {"1.1.0"}
    live.answering(Serving("tiny/1.0.0"))
    live.answering(Serving("tiny/1.1.0"), now=lambda: 0.0)
    loader.broken = set()
    assert live.answering(Serving("tiny/1.1.0"), now=lambda: RETRY_S).live.name == "tiny/1.1.0"


def test_going_back_to_the_one_held_needs_no_loading(live: LoadedModels, loader: Loader) -> None:
    loader.broken = {"1.1.0"}
    held = live.answering(Serving("tiny/1.0.0")).live
    live.answering(Serving("tiny/1.1.0"), now=lambda: 0.0)
    assert live.answering(Serving("tiny/1.0.0"), now=lambda: 1.0).live is held
    assert loader.loaded == ["1.0.0", "1.1.0"]


def test_with_none_held_the_error_is_raised(live: LoadedModels, loader: Loader) -> None:
    with pytest.raises(ArtifactMissing):
        live.answering(Serving("tiny/9.0.0"))
    loader.broken = {"1.0.0"}
    with pytest.raises(ScoringError):
        live.answering(Serving("tiny/1.0.0"))
    loader.broken = set()
    assert live.answering(Serving("tiny/1.0.0")).live.name == "tiny/1.0.0"


def test_one_that_fails_does_not_delay_the_next(live: LoadedModels, loader: Loader) -> None:
    loader.broken = {"1.1.0"}
    live.answering(Serving("tiny/1.0.0"))
    live.answering(Serving("tiny/1.1.0"), now=lambda: 0.0)
    assert live.answering(Serving("tiny/1.2.0"), now=lambda: 1.0).live.name == "tiny/1.2.0"


def names(answering: Scorers, jobs: list[uuid.UUID]) -> set[str]:
    return {answering.scorer(job).name for job in jobs}


def random_ids(count: int, seed: int = 4) -> list[uuid.UUID]:
    draw = random.Random(seed)
    return [uuid.UUID(int=draw.getrandbits(128), version=4) for _ in range(count)]


@pytest.mark.parametrize("share", [0.001, 0.1, 0.5, 0.9])
def test_the_canarys_share_is_that_of_the_jobs(share: float) -> None:
    found = sum(in_canary_share(job, share) for job in random_ids(10_000))
    # Four standard deviations of the binomial.
    assert abs(found - 10_000 * share) < 4 * (10_000 * share * (1 - share)) ** 0.5


def test_a_larger_share_only_adds_jobs() -> None:
    jobs = random_ids(1_000)
    shares = (0.0, 0.01, 0.1, 0.3, 0.99, 1.0)
    taken = [{job for job in jobs if in_canary_share(job, share)} for share in shares]
    assert taken[0] == set() and taken[-1] == set(jobs)
    assert all(smaller < larger for smaller, larger in pairwise(taken))


def test_which_share_a_job_is_in_stays_so_in_every_release() -> None:
    """The SHA-256 of 16 zero bytes begins with 0x3747, which is 0.2159 of 1."""
    assert in_canary_share(uuid.UUID(int=0), 0.216) and not in_canary_share(uuid.UUID(int=0), 0.2159)


def test_a_canary_answers_its_share_and_the_live_version_the_others(live: LoadedModels) -> None:
    jobs = random_ids(100)
    answering = live.answering(Serving("tiny/1.0.0", canary="tiny/1.1.0", canary_share=0.3))
    for job in jobs:
        expected = "tiny/1.1.0" if in_canary_share(job, 0.3) else "tiny/1.0.0"
        assert answering.scorer(job).name == expected
    assert names(live.answering(Serving("tiny/1.0.0")), jobs) == {"tiny/1.0.0"}


def test_a_canary_that_cannot_be_loaded_leaves_its_share_to_the_live_version(
    live: LoadedModels, loader: Loader, caplog: pytest.LogCaptureFixture
) -> None:
    loader.broken = {"1.1.0"}
    jobs = random_ids(100)
    serving = Serving("tiny/1.0.0", canary="tiny/1.1.0", canary_share=0.5)
    assert names(live.answering(serving, now=lambda: 0.0), jobs) == {"tiny/1.0.0"}
    assert "tiny/1.1.0 cannot serve, and tiny/1.0.0 goes on" in caplog.text
    loader.broken = set()
    assert len(names(live.answering(serving, now=lambda: 1.0), jobs)) == 1
    assert len(names(live.answering(serving, now=lambda: RETRY_S), jobs)) == 2


def test_a_shadow_is_loaded_only_when_asked_for(live: LoadedModels, loader: Loader) -> None:
    serving = Serving("tiny/1.0.0", shadow="tiny/1.1.0")
    assert names(live.answering(serving), random_ids(9)) == {"tiny/1.0.0"}
    assert loader.loaded == ["1.0.0"]
    shadow = live.shadow(serving)
    assert shadow is not None and shadow.name == "tiny/1.1.0"
    live.answering(serving)
    assert live.shadow(serving) is shadow
    assert live.shadow(Serving("tiny/1.0.0")) is None


def test_a_shadow_that_cannot_be_loaded_is_none(live: LoadedModels, loader: Loader) -> None:
    loader.broken = {"1.1.0"}
    serving = Serving("tiny/1.0.0", shadow="tiny/1.1.0")
    live.answering(serving)
    assert live.shadow(serving, now=lambda: 0.0) is None
    assert live.shadow(serving, now=lambda: 1.0) is None
    assert loader.loaded == ["1.0.0", "1.1.0"], "it is not tried again at each message"


def test_what_serves_no_more_is_dropped_and_what_goes_live_is_not_loaded_again(
    live: LoadedModels, loader: Loader
) -> None:
    serving = Serving("tiny/1.0.0", "tiny/1.1.0", "tiny/1.2.0", 0.5)
    answering, shadow = live.answering(serving), live.shadow(serving)
    assert answering.canary is not None and shadow is not None
    held = [weakref.ref(scorer) for scorer in (answering.live, shadow, answering.canary)]
    del answering, shadow
    assert [scorer() is not None for scorer in held] == [True, True, True]
    live.answering(Serving("tiny/1.2.0"))
    assert [scorer() is not None for scorer in held] == [False, False, True]
    assert loader.loaded == ["1.0.0", "1.2.0", "1.1.0"]
