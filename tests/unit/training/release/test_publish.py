import signal
import subprocess
import sys
from pathlib import Path

import pytest

from scoring.artifact import registry
from scoring.artifact.model_ref import ModelRef
from training.errors import TrainingError, VersionTaken
from training.release.publish import check_free, publishing

REF = ModelRef("model", (1, 0, 0))


def put(root: Path, *versions: str) -> None:
    for version in versions:
        folder = root / "model" / version
        folder.mkdir(parents=True)
        (folder / "manifest.json").write_text("{}")


def names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def test_nothing_is_visible_before_the_end_and_all_of_it_after(tmp_path: Path) -> None:
    with publishing(tmp_path, REF) as folder:
        (folder / "saved_model").mkdir()
        (folder / "saved_model" / "weights").write_bytes(b"w")
        (folder / "manifest.json").write_text("{}")
        assert registry.versions(tmp_path) == []
        assert not (tmp_path / "model" / "1.0.0").exists()
    assert registry.versions(tmp_path) == [REF]
    assert (tmp_path / "model" / "1.0.0" / "saved_model" / "weights").read_bytes() == b"w"
    assert names(tmp_path / "model") == ["1.0.0"]


def test_a_failure_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), publishing(tmp_path, REF) as folder:
        (folder / "manifest.json").write_text("{}")
        raise ZeroDivisionError
    assert names(tmp_path / "model") == []


def test_a_full_disk_is_one_sentence_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="could not be saved"), publishing(tmp_path, REF):
        raise OSError(28, "No space left on device")
    assert names(tmp_path / "model") == []


def test_a_version_is_never_overwritten(tmp_path: Path) -> None:
    put(tmp_path, "1.0.0")
    with pytest.raises(VersionTaken, match="never overwritten"):
        check_free(tmp_path, REF)
    with pytest.raises(VersionTaken), publishing(tmp_path, REF):
        pytest.fail("the version was there")


def test_two_at_once_make_one_whole_version(tmp_path: Path) -> None:
    """The one that comes late finds the place taken, and says so."""
    with pytest.raises(TrainingError), publishing(tmp_path, REF) as late:
        (late / "manifest.json").write_text("late")
        put(tmp_path, "1.0.0")
    assert (tmp_path / "model" / "1.0.0" / "manifest.json").read_text() == "{}"
    assert names(tmp_path / "model") == ["1.0.0"]


def test_killed_while_writing_shows_no_version(tmp_path: Path) -> None:
    code = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from scoring.artifact.model_ref import ModelRef\n"
        "from training.release.publish import publishing\n"
        "with publishing(Path(sys.argv[1]), ModelRef('model', (1, 0, 0))) as folder:\n"
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
    with publishing(tmp_path, REF) as folder:
        (folder / "manifest.json").write_text("{}")
    assert registry.versions(tmp_path) == [REF]
