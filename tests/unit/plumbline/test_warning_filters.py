from __future__ import annotations

import os
import subprocess
import sys
import warnings

from plumbline.warning_filters import disarm_warnings


def test_a_warning_is_no_error_and_other_filters_stay() -> None:
    with warnings.catch_warnings(record=True) as recorded:
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", message="quiet")
        disarm_warnings()
        warnings.warn("loud", UserWarning, stacklevel=1)
        warnings.warn("quiet", UserWarning, stacklevel=1)
    assert [str(warning.message) for warning in recorded] == ["loud"]


def test_a_command_survives_warnings_as_errors() -> None:
    code = (
        "import warnings\n"
        "from plumbline.program import run_program\n"
        "run_program(lambda: warnings.warn('loud'))"
    )
    process = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONWARNINGS": "error"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    assert "UserWarning: loud" in process.stderr
