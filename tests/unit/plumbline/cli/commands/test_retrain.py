import json
import stat
import sys
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from plumbline.atomic_file import SUFFIX
from plumbline.cli.commands.retrain import (
    export_labels,
    option_value,
    remove_old_exports,
    training_command,
)
from plumbline.errors import FileUnwritable
from plumbline.settings import Settings
from storage.jobs.labelled_texts import LabelledText

SETTINGS = Settings(models_dir=Path("elsewhere"))
NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
COLUMNS = ("text", "label")


def labelled(*labels: int) -> list[LabelledText]:
    return [
        LabelledText(f"één\n{n}", label, uuid.uuid4(), "mail") for n, label in enumerate(labels)
    ]


def test_arguments_are_passed_on_with_the_configured_models_folder() -> None:
    command = training_command(["--data", "a.csv"], SETTINGS)
    assert command[0] == sys.executable
    assert command[-6:] == ["-m", "training", "--data", "a.csv", "--models-dir", "elsewhere"]


@pytest.mark.parametrize("arguments", [["--models-dir", "x"], ["--models-dir=x"], ["--help"]])
def test_models_folder_among_the_arguments_is_kept(arguments: list[str]) -> None:
    assert training_command(arguments, SETTINGS)[-len(arguments) :] == arguments


@pytest.mark.parametrize(
    ("arguments", "value"),
    [
        (["--data", "a", "--text-column", "body"], "body"),
        (["--text-column=body", "--data", "a"], "body"),
        (["--text-column", "x", "--text-column", "body"], "body"),
        (["--text-column"], ""),
        (["--text", "x"], None),
    ],
)
def test_value_of_an_option_of_training_is_read(arguments: list[str], value: str | None) -> None:
    assert option_value(arguments, "--text-column") == value


def test_only_this_user_can_read_exported_texts(tmp_path: Path) -> None:
    exported = export_labels(labelled(1, 0, 1), tmp_path / "a" / "retrain", COLUMNS, NOON)
    assert exported.path == tmp_path / "a" / "retrain" / "labels-20260501T120000.000000Z.jsonl"
    assert stat.S_IMODE(exported.path.stat().st_mode) == 0o600
    assert [
        json.loads(line) for line in exported.path.read_text(encoding="utf-8").splitlines()
    ] == [
        {"text": "één\n0", "label": 1},
        {"text": "één\n1", "label": 0},
        {"text": "één\n2", "label": 1},
    ]
    assert exported.sentence() == (
        f"3 labelled texts, 1 of class 0 and 2 of class 1, are in {exported.path}"
    )


def test_export_has_the_columns_of_the_other_files(tmp_path: Path) -> None:
    exported = export_labels(labelled(1), tmp_path, ("body", "y"), NOON)
    assert json.loads(exported.path.read_text(encoding="utf-8")) == {"body": "één\n0", "y": 1}


def test_failed_export_leaves_no_file(tmp_path: Path) -> None:
    def fail_on_full_disk() -> Iterator[LabelledText]:
        yield from labelled(1)
        raise OSError(28, "No space left on device")

    with pytest.raises(
        FileUnwritable, match="cannot be written: No space left on device; free space there"
    ):
        export_labels(fail_on_full_disk(), tmp_path, COLUMNS, NOON)
    assert list(tmp_path.iterdir()) == []


def test_folder_that_cannot_be_created_is_reported_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(FileUnwritable, match="cannot be written: "):
        export_labels(labelled(1), tmp_path / "file" / "retrain", COLUMNS, NOON)


def test_old_exports_and_no_other_files_are_removed(tmp_path: Path) -> None:
    def export(age: timedelta) -> Path:
        return export_labels(labelled(1), tmp_path, COLUMNS, NOON - age).path

    old = export(timedelta(days=8))
    old.with_name(old.name + SUFFIX).touch()
    export(-timedelta(days=40))
    kept = {export(timedelta(days=6)), export(-timedelta(seconds=1))}
    for name in ("mine.jsonl", "labels-mine.jsonl", "labels-99999999T999999.999999Z.jsonl"):
        (tmp_path / name).touch()
        kept.add(tmp_path / name)
    remove_old_exports(tmp_path, NOON)
    assert set(tmp_path.iterdir()) == kept
    remove_old_exports(tmp_path / "absent", NOON)
