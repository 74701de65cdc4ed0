"""Input errors of `python -m training` are reported before TensorFlow is imported."""

import subprocess
import sys


def test_command_line_and_data_do_not_import_tensorflow() -> None:
    code = (
        "import sys, training.__main__, training.pretrain, training.data.splits, "
        "training.data.sms_archive, training.loop.schedule, training.presets, "
        "training.release.publish; "
        "sys.exit(bool({'tensorflow', 'keras', 'pandas'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
