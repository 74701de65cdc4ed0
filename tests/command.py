"""Run the real command line in a process with its own state folder."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from plumbline.embedded import child_process
from tests.paths import CHECKOUT

PLUMBLINE = Path(sys.executable).with_name("plumbline")


@dataclass(frozen=True, slots=True)
class Command:
    process: subprocess.Popen[bytes]
    stdout: Path
    stderr: Path

    def output(self) -> str:
        """Return everything that it has printed, standard output first."""
        return self.stdout.read_text(encoding="utf-8") + self.stderr.read_text(encoding="utf-8")

    def stop(self, stop_signal: signal.Signals, timeout_s: float) -> int:
        """Send the signal, as Ctrl-C sends SIGINT, and return the exit status."""
        self.process.send_signal(stop_signal)
        return self.process.wait(timeout_s)


def environment(state_dir: Path) -> dict[str, str]:
    """Return this process's environment with other Plumbline settings."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("PLUMBLINE_")}
    return inherited | {
        "PLUMBLINE_STATE_DIR": str(state_dir),
        "PLUMBLINE_MODELS_DIR": str(CHECKOUT / "models"),
    }


@contextmanager
def run_command(state_dir: Path, folder: Path, *arguments: str) -> Iterator[Command]:
    """Run `plumbline ...` with its output in `folder`. Stop it at the end of the block."""
    stdout, stderr = folder / "stdout", folder / "stderr"
    with stdout.open("wb") as output, stderr.open("wb") as errors:
        process = subprocess.Popen(
            [PLUMBLINE, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=errors,
            env=environment(state_dir),
            # Not the checkout, where a developer's .env would be read.
            cwd=folder,
            process_group=0,
            # A terminal starts a command with SIGINT enabled; a script in the background does not.
            preexec_fn=_enable_ctrl_c,
        )
    command = Command(process, stdout, stderr)
    try:
        yield command
    except BaseException:
        print(command.output())  # noqa: T201
        raise
    finally:
        if process.poll() is None:
            child_process.stop(process, signal.SIGTERM, 60.0)
        child_process.kill_group(process.pid)


def _enable_ctrl_c() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)
