import os
import warnings
from pathlib import Path

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.errors import TrainingError
from training.quiet_import import DEFAULTS, SETTINGS, configure, quiet_import

MACHINE = {"CUDA_VISIBLE_DEVICES": "1", "TF_GPU_ALLOCATOR": "x", "TF_NUM_INTRAOP_THREADS": "2"}
FOREIGN = {
    "KERAS_BACKEND": "jax",
    "KERAS_HOME": "/elsewhere",
    "KERAS_MAX_EPOCHS": "1",
    "KERAS_MAX_STEPS_PER_EPOCH": "1",
    "KERAS_NNX_ENABLED": "1",
    "TF2_BEHAVIOR": "0",
    "TF_CONFIG": "{}",
    "TF_ENABLE_AUTO_MIXED_PRECISION": "1",
    "TF_ENABLE_ONEDNN_OPTS": "0",
    "TF_NUM_INTEROP_THREADS": "4",
    "TF_USE_LEGACY_KERAS": "1",
    "TF_XLA_FLAGS": "--tf_xla_auto_jit=2",
    "MPLBACKEND": "nonsense",
    "TOKENIZERS_PARALLELISM": "false",
}


@pytest.fixture(autouse=True)
def restored_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in SETTINGS | DEFAULTS | FOREIGN:
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


def test_a_warning_of_a_package_is_no_error() -> None:
    with quiet_import():
        warnings.warn("old", DeprecationWarning, stacklevel=1)


def test_what_training_relies_on_is_set_whatever_another_program_uses() -> None:
    environment = FOREIGN | MACHINE
    configure(environment)
    assert environment == SETTINGS | DEFAULTS | MACHINE


def test_the_user_decides_how_much_tensorflow_logs() -> None:
    environment = {"TF_CPP_MIN_LOG_LEVEL": "0"}
    configure(environment)
    assert environment["TF_CPP_MIN_LOG_LEVEL"] == "0"


@given(
    st.dictionaries(
        st.builds(
            "".join, st.tuples(st.sampled_from(["KERAS_", "TF_", "TF2_"]), st.from_regex("[A-Z_]+"))
        )
        | st.sampled_from(sorted(FOREIGN | SETTINGS)),
        st.text(max_size=5),
    )
)
def test_no_environment_changes_what_training_relies_on(environment: dict[str, str]) -> None:
    configure(environment)
    assert SETTINGS.items() <= environment.items()
    assert not [name for name in environment if name.startswith(("KERAS_H", "KERAS_M", "TF2_"))]


def test_keras_reads_no_configuration_of_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERAS_HOME", "/elsewhere")
    with quiet_import():
        home = Path(os.environ["KERAS_HOME"])
        assert list(home.iterdir()) == []
    assert not home.exists()
    assert "KERAS_HOME" not in os.environ
