import os

import psutil
import pytest

from training.errors import TrainingError
from training.quiet_import import ENVIRONMENT, quiet_import


@pytest.fixture(autouse=True)
def restored_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ENVIRONMENT:
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)


def write_as_native_code(line: str) -> None:
    """Write to file descriptor 2, past `sys.stderr`."""
    os.write(2, line.encode())


def test_native_log_output_is_discarded_only_in_the_block(
    capfd: pytest.CaptureFixture[str],
) -> None:
    with quiet_import():
        write_as_native_code("oneDNN custom operations are on\n")
    write_as_native_code("after\n")
    assert capfd.readouterr().err == "after\n"


def test_missing_package_names_the_extra_and_restores_standard_error(
    capfd: pytest.CaptureFixture[str],
) -> None:
    with (
        pytest.raises(TrainingError, match=r"plumbline-scoring\[train\]: No module named 'keras'"),
        quiet_import(),
    ):
        raise ModuleNotFoundError("No module named 'keras'")
    write_as_native_code("after\n")
    assert capfd.readouterr().err == "after\n"


def test_file_descriptors_are_closed() -> None:
    before = psutil.Process().num_fds()
    with quiet_import():
        pass
    assert psutil.Process().num_fds() == before


def test_variables_that_are_set_keep_their_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TF_NUM_INTEROP_THREADS", "4")
    with quiet_import():
        pass
    expected = ENVIRONMENT | {"TF_NUM_INTEROP_THREADS": "4"}
    assert {name: os.environ[name] for name in ENVIRONMENT} == expected
