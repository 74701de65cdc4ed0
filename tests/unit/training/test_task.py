"""Which model and classes a run is for."""

from pathlib import Path

import pytest

from scoring.artifact.config import ScoringConfig
from scoring.errors import ArtifactMissing
from tests.artifacts import write_artifact
from training.data.sms_archive import MEMBER
from training.errors import TrainingError
from training.task import SMS_SPAM, Task, parse_labels, resolve_task

TWEETS = Path("tweets.csv")


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """A models folder with tiny/1.0.0, whose classes are letter and advert."""
    write_artifact(tmp_path, config=ScoringConfig(labels=("letter", "advert")))
    return tmp_path


@pytest.mark.parametrize(
    ("name", "labels", "missing"),
    [
        (None, None, r"^--name and --labels must be given"),
        ("tweets", None, r"^--labels must be given"),
        (None, "calm,angry", r"^--name must be given"),
    ],
)
def test_texts_alone_decide_no_task(
    models: Path, name: str | None, labels: str | None, missing: str
) -> None:
    with pytest.raises(TrainingError, match=missing):
        resolve_task(name, labels, data=[TWEETS], models_dir=models)
    with pytest.raises(TrainingError, match=missing):
        resolve_task(name, labels, data=[Path(MEMBER), TWEETS], models_dir=models)


def test_options_decide_the_task(models: Path) -> None:
    task = Task("tweets", ("calm", "angry"))
    for data in (TWEETS, Path(MEMBER)):
        for start in (None, "tiny"):
            assert task == resolve_task(
                "tweets", "calm, angry", data=[data], models_dir=models, from_version=start
            )


def test_the_uci_archive_is_the_shipped_task(models: Path) -> None:
    for name, labels in ((None, None), ("sms-spam", None), (None, "ham,spam")):
        assert resolve_task(name, labels, data=[Path(MEMBER)], models_dir=models) == SMS_SPAM


def test_version_to_start_from_has_the_task(models: Path) -> None:
    task = Task("tiny", ("letter", "advert"))
    for start in ("tiny", "tiny/1.0.0"):
        assert task == resolve_task(
            None, None, data=[TWEETS], models_dir=models, from_version=start
        )
    with pytest.raises(TrainingError, match=r"^--labels must be given"):
        resolve_task("other", None, data=[TWEETS], models_dir=models, from_version="tiny")
    with pytest.raises(TrainingError, match=r"^--name must be given"):
        resolve_task(None, "calm,angry", data=[TWEETS], models_dir=models, from_version="tiny")
    with pytest.raises(ArtifactMissing, match="no model absent"):
        resolve_task(None, None, data=[TWEETS], models_dir=models, from_version="absent")


def test_pretrained_folder_has_no_task(models: Path, tmp_path: Path) -> None:
    folder = tmp_path / "backbone"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    with pytest.raises(TrainingError, match="must be given"):
        resolve_task(None, None, data=[TWEETS], models_dir=models, from_version=str(folder))


def test_existing_version_of_the_name_has_the_classes(models: Path) -> None:
    task = resolve_task("tiny", None, data=[TWEETS], models_dir=models)
    assert task == Task("tiny", ("letter", "advert"))
    with pytest.raises(ArtifactMissing, match="is not a model version"):
        resolve_task("../tiny", None, data=[TWEETS], models_dir=models)


@pytest.mark.parametrize("labels", ["one", "a,a", "a,b,c", ",b", ""])
def test_labels_are_two_names(labels: str) -> None:
    with pytest.raises(TrainingError, match="needs two names"):
        parse_labels(labels)
