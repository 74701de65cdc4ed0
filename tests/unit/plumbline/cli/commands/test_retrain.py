import json
import os
import stat
import sys
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from plumbline.cli.commands.retrain import export, forget_old, given, training_command
from plumbline.errors import FileUnwritable
from plumbline.settings import Settings
from storage.jobs.labels import LabelledText

SETTINGS = Settings(models_dir=Path("elsewhere"))
NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


def labelled(*labels: int) -> list[LabelledText]:
    return [LabelledText(f"één\n{n}", label, uuid.uuid4()) for n, label in enumerate(labels)]


def test_every_argument_is_handed_on_with_the_settings_folder() -> None:
    command = training_command(["--data", "a.csv"], SETTINGS)
    assert command[0] == sys.executable
    assert command[-6:] == ["-m", "training", "--data", "a.csv", "--models-dir", "elsewhere"]


@pytest.mark.parametrize("words", [["--models-dir", "x"], ["--models-dir=x"], ["--help"]])
def test_a_folder_that_is_given_stays(words: list[str]) -> None:
    assert training_command(words, SETTINGS)[-len(words) :] == words


@pytest.mark.parametrize(
    ("words", "value"),
    [
        (["--data", "a", "--text-column", "body"], "body"),
        (["--text-column=body", "--data", "a"], "body"),
        (["--text-column", "x", "--text-column", "body"], "body"),
        (["--text-column"], ""),
        (["--text", "x"], None),
    ],
)
def test_an_option_of_trainings_is_found(words: list[str], value: str | None) -> None:
    assert given(words, "--text-column") == value


def test_labelled_texts_are_exported_for_this_user_alone(tmp_path: Path) -> None:
    found = export(labelled(1, 0, 1), tmp_path / "a" / "retrain", now=NOON)
    assert found.path == tmp_path / "a" / "retrain" / "labels-20260501T120000.000000Z.jsonl"
    assert stat.S_IMODE(found.path.stat().st_mode) == 0o600
    assert [json.loads(line) for line in found.path.read_text(encoding="utf-8").splitlines()] == [
        {"text": "één\n0", "label": 1},
        {"text": "één\n1", "label": 0},
        {"text": "één\n2", "label": 1},
    ]
    assert found.sentence() == (
        f"3 labelled texts, 1 of class 0 and 2 of class 1, are in {found.path}"
    )


def test_an_export_has_the_columns_of_the_other_files(tmp_path: Path) -> None:
    found = export(labelled(1), tmp_path, ("body", "y"))
    assert json.loads(found.path.read_text(encoding="utf-8")) == {"body": "één\n0", "y": 1}


def test_an_export_that_breaks_off_leaves_nothing(tmp_path: Path) -> None:
    def full() -> Iterator[LabelledText]:
        yield from labelled(1)
        raise OSError(28, "No space left on device")

    with pytest.raises(FileUnwritable, match=r"cannot be written: No space left on device\.$"):
        export(full(), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(FileUnwritable, match="cannot be written: "):
        export(labelled(1), tmp_path / "file" / "retrain")


def test_exports_are_forgotten_after_their_time_and_nothing_else_is(tmp_path: Path) -> None:
    old = export(labelled(1), tmp_path, now=NOON).path
    half = old.with_suffix(".part")
    half.touch()
    other = tmp_path / "mine.jsonl"
    other.touch()
    for path in (old, half, other):
        os.utime(path, (1_000, 1_000))
    new = export(labelled(1), tmp_path).path
    forget_old(tmp_path, before=2_000)
    assert set(tmp_path.iterdir()) == {new, other}
    forget_old(tmp_path / "absent", before=2_000)
