import json
import stat
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from plumbline.atomic_file import SUFFIX
from plumbline.cli.label_export import (
    ExportColumns,
    LabelTask,
    export_labels,
    left_out_sentence,
    remove_old_exports,
)
from plumbline.errors import FileUnwritable
from storage.jobs.labelled_texts import LabelledText, LeftOut, LeftOutReason

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
COLUMNS = ExportColumns()
SPAM = LabelTask("sms-spam", ("ham", "spam"))


def labelled(*labels: int) -> list[LabelledText]:
    return [
        LabelledText(f"één\n{n}", label, uuid.uuid4(), "mail") for n, label in enumerate(labels)
    ]


def test_only_this_user_can_read_exported_texts(tmp_path: Path) -> None:
    exported = export_labels(labelled(1, 0, 1), tmp_path / "a" / "retrain", COLUMNS, NOON)
    assert exported.path == tmp_path / "a" / "retrain" / "labels-20260501T120000.000000Z.jsonl"
    assert stat.S_IMODE(exported.path.stat().st_mode) == 0o600
    assert [
        json.loads(line) for line in exported.path.read_text(encoding="utf-8").splitlines()
    ] == [
        {"source": "mail", "text": "één\n0", "label": 1},
        {"source": "mail", "text": "één\n1", "label": 0},
        {"source": "mail", "text": "één\n2", "label": 1},
    ]
    assert exported.sentence(SPAM) == (
        f"3 labelled texts of sms-spam, 1 ham and 2 spam, are in {exported.path}."
    )


def test_columns_have_the_names_of_the_other_files(tmp_path: Path) -> None:
    exported = export_labels(labelled(1), tmp_path, ExportColumns("body", "y", ""), NOON)
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


@pytest.mark.parametrize(
    ("left_out", "sentence"),
    [
        (
            LeftOut(LeftOutReason.OTHER_MODEL, "tweets/1.0.0", ("calm", "angry"), 1_199),
            "1,199 labels are left out: tweets/1.0.0 scored their texts, which is not a version of "
            "sms-spam.",
        ),
        (
            LeftOut(LeftOutReason.OTHER_CLASSES, "sms-spam/2.0.0", ("no", "yes"), 2),
            "2 labels are left out: sms-spam/2.0.0 scored their texts, whose classes are no, yes "
            "and not ham, spam.",
        ),
        (
            LeftOut(LeftOutReason.UNSCORED, None, None, 3),
            "3 labels are left out: no version has scored their texts, so it is unknown what the "
            "labels mean.",
        ),
        (
            LeftOut(LeftOutReason.TEXT_DELETED, "sms-spam/1.0.0", ("ham", "spam"), 4),
            "4 labels are left out: their texts are deleted.",
        ),
    ],
)
def test_sentence_says_why_labels_are_left_out(left_out: LeftOut, sentence: str) -> None:
    assert left_out_sentence(left_out, SPAM) == sentence
