import codecs
import os
import threading
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from plumbline.env_file import read_env_file
from plumbline.errors import SettingsInvalid

PREFIX = "PLUMBLINE_"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / ".env"


def test_variables_of_the_prefix_are_read_in_capitals(path: Path) -> None:
    path.write_text("A=1\nPLUMBLINE_SOURCE=shop\nplumbline_model='a b'\r\nPLUMBLINE_X=\n")
    assert read_env_file(path, PREFIX) == {"PLUMBLINE_SOURCE": "shop", "PLUMBLINE_MODEL": "a b"}


@pytest.mark.parametrize(
    "encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-be"]
)
def test_file_with_a_byte_order_mark_is_decoded(path: Path, encoding: str) -> None:
    mark = "" if encoding in ("utf-8-sig", "utf-16", "utf-32") else "\ufeff"
    path.write_bytes((mark + "PLUMBLINE_SOURCE=café\r\n").encode(encoding))
    assert read_env_file(path, PREFIX) == {"PLUMBLINE_SOURCE": "café"}


@pytest.mark.parametrize(
    "content",
    [
        "PLUMBLINE_SOURCE=shop\n".encode("utf-16-le"),
        codecs.BOM_UTF16_LE + b"odd",
        b"\x7fELF\0\0",
    ],
)
def test_file_that_is_not_text_is_refused(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(SettingsInvalid, match=r"it is not text in UTF-8; save it as UTF-8\.$"):
        read_env_file(path, PREFIX)


def test_only_plumblines_own_values_must_be_utf_8(path: Path) -> None:
    path.write_bytes(b"# caf\xe9\nNAME=caf\xe9\nPLUMBLINE_SOURCE=shop\n")
    assert read_env_file(path, PREFIX) == {"PLUMBLINE_SOURCE": "shop"}
    path.write_bytes(b"PLUMBLINE_SOURCE=caf\xe9\n")
    with pytest.raises(SettingsInvalid, match=r"PLUMBLINE_SOURCE in .* is not UTF-8; save"):
        read_env_file(path, PREFIX)


def test_line_that_cannot_be_parsed_is_named_without_its_value(path: Path) -> None:
    path.write_text("OTHER 'x\nA=1\nPLUMBLINE_BROKER_URL='redis://:hunter2@host\n")
    with pytest.raises(SettingsInvalid, match="line 3 is not NAME=value") as error:
        read_env_file(path, PREFIX)
    assert "hunter2" not in str(error.value)


def test_missing_file_and_folder_of_a_virtual_environment_are_no_settings(path: Path) -> None:
    assert read_env_file(path, PREFIX) == {}
    path.symlink_to("nowhere")
    assert read_env_file(path, PREFIX) == {}
    path.unlink()
    path.mkdir()
    assert read_env_file(path, PREFIX) == {}


def test_pipe_of_a_secret_manager_is_read(path: Path) -> None:
    os.mkfifo(path)
    writer = threading.Thread(target=path.write_text, args=("PLUMBLINE_SOURCE=shop\n",))
    writer.start()
    assert read_env_file(path, PREFIX) == {"PLUMBLINE_SOURCE": "shop"}
    writer.join()


def test_unreadable_file_is_an_error_with_cause_and_cure(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path.symlink_to(".env")
    with pytest.raises(SettingsInvalid, match=r"cannot be read: .*symbolic link"):
        read_env_file(path, PREFIX)
    path.unlink()
    path.write_text("PLUMBLINE_SOURCE=shop\n")

    def refuse(self: Path) -> bytes:
        raise PermissionError(13, "Permission denied", str(self))

    # Root may read everything, so the mode alone does not make a file unreadable.
    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(SettingsInvalid, match="cannot be read: Permission denied; change the mode"):
        read_env_file(path, PREFIX)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
@given(content=st.binary(max_size=200), own=st.binary(max_size=30))
def test_any_bytes_are_read_or_refused_in_one_sentence(
    path: Path, content: bytes, own: bytes
) -> None:
    path.write_bytes(content + b"\nPLUMBLINE_SOURCE=" + own + b"\n")
    try:
        values = read_env_file(path, PREFIX)
    except SettingsInvalid as error:
        assert str(error).endswith(".")
    else:
        assert all(value.encode() for value in values.values())


@pytest.mark.parametrize("unseen", ["\u200b", "\u00a0", "\ufeff", "\u2003\u2060"])
def test_unseen_characters_before_a_name_do_not_hide_it(path: Path, unseen: str) -> None:
    path.write_text(f"A=1\n{unseen}PLUMBLINE_SOURCE=shop\n", encoding="utf-8")
    assert read_env_file(path, PREFIX) == {"PLUMBLINE_SOURCE": "shop"}
