"""The real command line in a process of its own, with a folder of state of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from plumbline.embedded import child
from tests.paths import CHECKOUT

PLUMBLINE = Path(sys.executable).with_name("plumbline")


@dataclass(frozen=True, slots=True)
class Running:
    process: subprocess.Popen[bytes]
    stdout: Path
    stderr: Path

    def said(self) -> str:
        """Everything it printed so far, its answer first."""
        return self.stdout.read_text(encoding="utf-8") + self.stderr.read_text(encoding="utf-8")

    def end(self, how: signal.Signals, timeout_s: float) -> int:
        """Send the signal, as Ctrl-C does SIGINT, and return the exit status."""
        self.process.send_signal(how)
        return self.process.wait(timeout_s)


def environment(state_dir: Path) -> dict[str, str]:
    """This process's environment, its Plumbline settings replaced."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("PLUMBLINE_")}
    return inherited | {
        "PLUMBLINE_STATE_DIR": str(state_dir),
        "PLUMBLINE_MODELS_DIR": str(CHECKOUT / "models"),
    }


@contextmanager
def running(state_dir: Path, folder: Path, *arguments: str) -> Iterator[Running]:
    """`plumbline ...` with what it prints in `folder`; killed at the end if it still runs."""
    stdout, stderr = folder / "stdout", folder / "stderr"
    with stdout.open("wb") as answer, stderr.open("wb") as notices:
        process = subprocess.Popen(
            [PLUMBLINE, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=answer,
            stderr=notices,
            env=environment(state_dir),
            # Not the checkout, where a developer's .env would be read.
            cwd=folder,
            process_group=0,
        )
    found = Running(process, stdout, stderr)
    try:
        yield found
    except BaseException:
        print(found.said())  # noqa: T201
        raise
    finally:
        if process.poll() is None:
            child.stop(process, signal.SIGTERM, 60.0)
        child.kill_group(process.pid)
