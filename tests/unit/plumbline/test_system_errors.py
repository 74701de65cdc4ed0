import errno
import os
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plumbline.system_errors import (
    CURES,
    cause_and_cure,
    class_and_place,
    describe,
    is_known,
    reason_without_quotes,
)
from plumbline_client.errors import TextRefused


@pytest.mark.parametrize("number", CURES)
def test_error_of_the_system_names_its_subject_cause_and_cure(number: int) -> None:
    error = OSError(number, os.strerror(number), "/data/export.csv")
    assert describe(error).startswith("/data/export.csv cannot be used: ")
    assert os.strerror(number) in describe(error)
    assert CURES[number] in describe(error)


@pytest.mark.parametrize(
    ("error", "cause", "cure"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "No space left", "free space"),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), "Disk quota exceeded", "quota"),
        (BlockingIOError(errno.EAGAIN, "Resource unavailable"), "process cannot be", "ulimit -u"),
        (RuntimeError("can't start new thread"), "thread cannot be started", "ulimit -u"),
        (Exception("No space left on device (os error 28)"), "No space left on dev", "free space"),
        (MemoryError(), "memory is exhausted", "free memory"),
        (RecursionError("maximum"), "nested too deeply", "split"),
        (UnicodeEncodeError("ascii", "\xe9", 0, 1, "no"), "encoding ascii", "PYTHONUTF8=1"),
        (UnicodeDecodeError("utf-8", b"\xe9", 0, 1, "no"), "encoding utf-8", "save the input"),
        (ImportError("libx.so: Error 24", name="numpy"), "numpy cannot be imp", "ulimit -n"),
        (ImportError("Read this!\n\nx.so: failed to map", name="numpy"), "(x.so: f", "free memory"),
        (ImportError("no", name="numpy"), "numpy cannot be imported", "install it again"),
        (
            ModuleNotFoundError("no", name="alembic.command"),
            "module alembic.command is not installed",
            "the extra plumbline-scoring[worker]",
        ),
        (ModuleNotFoundError("no", name="rich"), "rich is not", "install plumbline-scoring again"),
        (type("ResourceExhaustedError", (Exception,), {})("OOM"), "memory is exhausted", "free"),
    ],
)
def test_known_error_names_cause_and_cure(error: Exception, cause: str, cure: str) -> None:
    assert is_known(error)
    assert cause in describe(error) and cure in describe(error)


def test_defect_names_its_place_and_hides_its_message() -> None:
    try:
        raise KeyError("hunter2")
    except KeyError as error:
        sentence, known = describe(error), is_known(error)
    assert sentence.startswith("An unexpected KeyError in test_system_errors.py, line ")
    assert "hunter2" not in sentence and not known


def test_deleted_current_folder_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    with pytest.raises(FileNotFoundError) as error:
        os.getcwd()  # noqa: PTH109
    assert describe(error.value).startswith("The current folder no longer exists; ")


def test_cause_without_a_number_is_the_message() -> None:
    assert cause_and_cure(OSError("the header is damaged")) == "the header is damaged"


@given(
    st.sampled_from([*CURES, 9999, None]),
    st.text(max_size=40),
    st.none() | st.text(max_size=40) | st.binary(max_size=40),
)
def test_sentence_is_one_printable_line_whatever_the_path(
    number: int | None, message: str, path: str | bytes | None
) -> None:
    sentence = describe(OSError(number, message, path))
    assert sentence.isprintable() and sentence.endswith(".")


def test_the_place_of_an_error_is_shown_without_its_message() -> None:
    try:
        raise ValueError("hunter2")
    except ValueError as error:
        shown = class_and_place(error)
    assert re.fullmatch(r"ValueError in test_system_errors\.py, line \d+", shown)
    assert class_and_place(ValueError("hunter2")) == "ValueError"


def test_only_an_error_of_our_own_gives_its_sentence_as_the_reason() -> None:
    assert reason_without_quotes(TextRefused("the text is empty")) == "the text is empty"
    for foreign in (KeyError("hunter2"), OSError(36, "File name too long", "hunter2")):
        assert reason_without_quotes(foreign) == type(foreign).__name__


def test_failed_import_without_a_name_names_the_module_that_raised() -> None:
    try:
        raise ImportError("no pq wrapper available")
    except ImportError as error:
        assert describe(error).startswith("tests cannot be imported (no pq wrapper available); ")
