import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from scoring.artifact import registry
from scoring.artifact.model_ref import ModelRef
from training.errors import TrainingError, VersionExists
from training.release.publish import check_version_is_free, check_writable, staging_folder

REF = ModelRef("model", (1, 0, 0))


def write_version(root: Path, version: str) -> None:
    folder = root / "model" / version
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_text("{}")


def names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def test_version_appears_complete_when_the_block_ends(tmp_path: Path) -> None:
    with staging_folder(tmp_path, REF) as folder:
        (folder / "saved_model").mkdir()
        (folder / "saved_model" / "weights").write_bytes(b"w")
        (folder / "manifest.json").write_text("{}")
        assert registry.versions(tmp_path) == []
        assert not (tmp_path / "model" / "1.0.0").exists()
    assert registry.versions(tmp_path) == [REF]
    assert (tmp_path / "model" / "1.0.0" / "saved_model" / "weights").read_bytes() == b"w"
    assert names(tmp_path / "model") == ["1.0.0"]


def test_error_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), staging_folder(tmp_path, REF) as folder:
        (folder / "manifest.json").write_text("{}")
        raise ZeroDivisionError
    assert names(tmp_path / "model") == []


def test_full_disk_is_reported_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="could not be saved"), staging_folder(tmp_path, REF):
        raise OSError(28, "No space left on device")
    assert names(tmp_path / "model") == []


def test_existing_version_is_never_overwritten(tmp_path: Path) -> None:
    write_version(tmp_path, "1.0.0")
    with pytest.raises(VersionExists, match="never overwritten"):
        check_version_is_free(tmp_path, REF)
    with pytest.raises(VersionExists), staging_folder(tmp_path, REF):
        pytest.fail("the block must not run for an existing version")


def test_later_of_two_publishers_fails(tmp_path: Path) -> None:
    with pytest.raises(TrainingError), staging_folder(tmp_path, REF) as late:
        (late / "manifest.json").write_text("late")
        write_version(tmp_path, "1.0.0")
    assert (tmp_path / "model" / "1.0.0" / "manifest.json").read_text() == "{}"
    assert names(tmp_path / "model") == ["1.0.0"]


def test_kill_while_writing_leaves_no_version(tmp_path: Path) -> None:
    code = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from scoring.artifact.model_ref import ModelRef\n"
        "from training.release.publish import staging_folder\n"
        "with staging_folder(Path(sys.argv[1]), ModelRef('model', (1, 0, 0))) as folder:\n"
        "    (folder / 'manifest.json').write_text('{}')\n"
        "    print('written', flush=True)\n"
        "    time.sleep(60)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "written\n"
        process.send_signal(signal.SIGKILL)
    assert registry.versions(tmp_path) == []
    with staging_folder(tmp_path, REF) as folder:
        (folder / "manifest.json").write_text("{}")
    assert registry.versions(tmp_path) == [REF]


def test_models_folder_that_cannot_be_written_is_refused_before_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    check_writable(tmp_path / "new" / "models")
    (tmp_path / "file").touch()
    with pytest.raises(TrainingError, match=r"file is not a folder; name another --models-dir\.$"):
        check_writable(tmp_path / "file" / "models")
    # Root may write everywhere.
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(TrainingError, match="cannot be written by this user"):
        check_writable(tmp_path / "models")
    assert not (tmp_path / "models").exists()
