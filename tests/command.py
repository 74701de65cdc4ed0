"""Run the real command line in a process with its own folder and settings."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from plumbline.embedded import child_process
from tests import warm_python
from tests.paths import CHECKOUT
from tests.skewed_clock import SkewedClock

PLUMBLINE = Path(sys.executable).with_name("plumbline")
TIMEOUT_S = 120.0
# Nothing listens at this address.
NOWHERE = "127.0.0.1:1"


@dataclass(frozen=True, slots=True)
class Cli:
    """Runs `plumbline` in a folder of its own and with these environment variables."""

    folder: Path
    environment: Mapping[str, str]
    program: tuple[str | Path, ...] = (PLUMBLINE,)

    def run(self, *arguments: str, code: int = 0, stdin: bytes = b"") -> str:
        """Return the standard output; fail unless the exit code is `code`."""
        done = self.complete(*arguments, stdin=stdin)
        assert done.returncode == code, done.stderr.decode()
        return done.stdout.decode()

    def json(self, *arguments: str, code: int = 0, stdin: bytes = b"") -> Any:
        return json.loads(self.run(*arguments, "--json", code=code, stdin=stdin))

    def json_lines(self, *arguments: str, code: int = 0, stdin: bytes = b"") -> list[Any]:
        printed = self.run(*arguments, "--json", code=code, stdin=stdin)
        return [json.loads(line) for line in printed.splitlines()]

    def error(self, *arguments: str, stdin: bytes = b"") -> str:
        """Return the error sentence; fail unless it is all the output and the exit code is 1."""
        done = self.complete(*arguments, stdin=stdin)
        sentence = done.stderr.decode()
        assert done.returncode == 1, sentence
        assert done.stdout == b""
        assert sentence.count("\n") == 1, sentence
        assert sentence.endswith(".\n")
        return sentence.rstrip("\n")

    def complete(self, *arguments: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        """Wait for the command; fail if it prints a traceback."""
        done = warm_python.run(
            [*self.program, *arguments],
            input=stdin,
            environment=self.environment,
            cwd=self.folder,
            timeout=TIMEOUT_S,
        )
        assert b"Traceback" not in done.stderr, done.stderr.decode()
        return done

    @contextmanager
    def start(self, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
        """Yield the running command with pipes to it; kill it at the end if it still runs."""
        with subprocess.Popen(
            [*self.program, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=self.folder,
            env=self.environment,
            preexec_fn=_enable_ctrl_c,
        ) as process:
            try:
                yield process
            finally:
                process.kill()

    def with_settings(self, **settings: object) -> Cli:
        """Return the same command line with other Plumbline settings, by field name."""
        changed = {f"PLUMBLINE_{name.upper()}": str(value) for name, value in settings.items()}
        return replace(self, environment={**self.environment, **changed})

    def with_clock(self, clock: SkewedClock) -> Cli:
        """Return the same command line on a machine whose clock is wrong."""
        return replace(
            self,
            environment={**self.environment, **clock.environment(), "PYTHONPATH": str(CHECKOUT)},
            program=(sys.executable, "-m", "tests.skewed_cli"),
        )

    def with_columns(self, columns: int) -> Cli:
        """Return the same command line with a terminal of this width."""
        return replace(self, environment={**self.environment, "COLUMNS": str(columns)})

    def write(self, name: str, content: str | bytes) -> str:
        """Write a file into the folder and return its name."""
        raw = content.encode() if isinstance(content, str) else content
        (self.folder / name).write_bytes(raw)
        return name


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
    """Start the command with SIGINT enabled, as a terminal does.

    A script starts its background jobs with SIGINT ignored, and their children inherit that.
    """
    signal.signal(signal.SIGINT, signal.SIG_DFL)
