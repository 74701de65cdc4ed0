"""The command line in a process whose clock is wrong: `python -m tests.skewed_cli submit ...`."""

import sys

from tests import skewed_clock

skewed_clock.start_from_environment()

if __name__ == "__main__":
    from importlib.metadata import entry_points

    (program,) = entry_points(group="console_scripts", name="plumbline")
    sys.argv[0] = "plumbline"
    sys.exit(program.load()())
