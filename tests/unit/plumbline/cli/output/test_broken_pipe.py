import os
import subprocess
import sys

SCRIPT = """
import sys
from plumbline.cli.output.broken_pipe import exit_after_broken_pipe
sys.stdout.write("buffered")
exit_after_broken_pipe()
"""


def test_output_for_a_reader_that_has_left_is_discarded_without_an_error() -> None:
    # With a buffer, Python writes the output only at exit.
    environment = os.environ | {"PYTHONUNBUFFERED": ""}
    reader, writer = os.pipe()
    os.close(reader)
    try:
        ended = subprocess.run(
            [sys.executable, "-c", SCRIPT],
            stdout=writer,
            stderr=subprocess.PIPE,
            env=environment,
            check=False,
        )
    finally:
        os.close(writer)
    assert (ended.returncode, ended.stderr) == (0, b"")
