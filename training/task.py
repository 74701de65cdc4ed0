"""The task that a run trains for: the name of its model and the names of its two classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from scoring.artifact import artifact as files
from scoring.artifact import registry
from scoring.artifact.config import ScoringConfig
from scoring.artifact.model_ref import ModelRef
from training.data.sms_archive import is_sms_archive
from training.errors import TrainingError


@dataclass(frozen=True, slots=True)
class Task:
    """`labels` are the names of the negative and the positive class."""

    name: str
    labels: tuple[str, str]


# What the UCI archive is about, and the shipped version with it.
SMS_SPAM = Task("sms-spam", ("ham", "spam"))


def resolve_task(
    name: str | None,
    labels: str | None,
    *,
    data: Sequence[Path],
    models_dir: Path,
    from_version: str | None = None,
) -> Task:
    """Return the task of the options; what they leave out follows from the start or the data.

    The version of `from_version` has a task, and so has the UCI archive. An existing version of
    `name` has classes. Raises TrainingError if a file of texts alone would decide.
    """
    if name is not None:
        ModelRef.parse(f"{name}/1.0.0")
    classes = None if labels is None else parse_labels(labels)
    known = known_task(data, models_dir, from_version)
    if known is not None and name in (None, known.name):
        if classes is None or classes == known.labels:
            return known
    elif name is not None and classes is None:
        classes = existing_labels(models_dir, name)
    if name is None or classes is None:
        missing = [
            option for option, value in (("--name", name), ("--labels", classes)) if value is None
        ]
        raise TrainingError(
            f"{' and '.join(missing)} must be given, as in --name tweets --labels calm,angry: "
            "which task these texts are for follows only from --from NAME/VERSION or from the UCI "
            "archive of SMS."
        )
    return Task(name, classes)


def known_task(data: Sequence[Path], models_dir: Path, from_version: str | None) -> Task | None:
    """Return the task of the version to start from, or of the data; None if neither has one."""
    if from_version is not None and not is_pretrained_folder(from_version):
        folder = registry.resolve(models_dir, from_version)
        return Task(folder.parent.name, ScoringConfig.read(folder / files.CONFIG).labels)
    if data and all(is_sms_archive(path) for path in data):
        return SMS_SPAM
    return None


def existing_labels(models_dir: Path, name: str) -> tuple[str, str] | None:
    """Return the classes of the newest version of that name; None if there is no version."""
    versions = registry.versions(models_dir, name)
    if not versions:
        return None
    folder = registry.folder(models_dir, versions[-1])
    return ScoringConfig.read(folder / files.CONFIG).labels


def is_pretrained_folder(source: str) -> bool:
    """Return whether `source` is a folder as `training.pretrain` writes it, not a version."""
    return (Path(source) / "config.json").is_file()


def parse_labels(labels: str) -> tuple[str, str]:
    names = [name.strip() for name in labels.split(",")]
    if len(names) != 2 or not all(names) or names[0] == names[1]:
        raise TrainingError(f"--labels needs two names, as in ham,spam; got {labels!r}.")
    return names[0], names[1]
