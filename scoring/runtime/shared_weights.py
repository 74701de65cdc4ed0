"""The files of packed weights that all processes of a user on a machine map, one per version.

The process that writes such a file can return wrong logits, and LiteRT uses whatever it reads. So
processes that never score build and verify a file (`scoring.runtime.build_weights`), and its name
holds its hash, which each process verifies before it maps the file.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import platform
import re
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.metadata import version
from pathlib import Path

from scoring.errors import WeightsUnavailable
from scoring.runtime.build_weights import BUILD, VERIFY

# Changes if files of an earlier release must not be used.
FORMAT = 1
SUFFIX = ".weights"
LOCK = "lock"
PART = "part"
# Far above what the largest model takes on a busy machine.
BUILD_LIMIT_S = 120.0
POLL_S = 0.05
# Live, canary and shadow, each with a predecessor to return to, for two models.
KEPT = 12
WRITABLE_BY_OTHERS = stat.S_IWGRP | stat.S_IWOTH
CPUINFO = Path("/proc/cpuinfo")
# What LiteRT prints beside errors, also at the end of a process.
LOG = re.compile(r"INFO|WARNING|\W")


class SharedWeights:
    """The files in `folder`, which exists and which nobody but this user may write to."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def find(self, model_sha256: str) -> Path | None:
        """Return the verified file for the model with this hash; None if there is none.

        A file that does not have the hash in its name is removed. Raises WeightsUnavailable.
        """
        self._check_folder()
        key = weights_key(model_sha256)
        for path in self._folder.glob(f"{key}-*{SUFFIX}"):
            if _is_private(path.lstat()) and _sha256(path) == path.stem.partition("-")[2]:
                with suppress(OSError):
                    os.utime(path)
                return path
            with suppress(OSError):
                path.unlink()
        return None

    def find_or_build(self, model: Path, model_sha256: str, max_tokens: int) -> Path:
        """Return the file for the model, which is built and verified if necessary.

        Several processes may call it at the same time. Raises WeightsUnavailable.
        """
        try:
            with _locked(self._folder / LOCK):
                return self.find(model_sha256) or self._build(model, model_sha256, max_tokens)
        except OSError as error:
            raise WeightsUnavailable(
                f"{error.filename or self._folder} cannot be used: {error.strerror}."
            ) from error

    def _build(self, model: Path, model_sha256: str, max_tokens: int) -> Path:
        part = self._folder / PART
        part.unlink(missing_ok=True)
        try:
            _run(BUILD, str(model), str(part))
            _run(VERIFY, str(model), str(part), str(max_tokens))
            part.chmod(stat.S_IRUSR)
            path = self._folder / f"{weights_key(model_sha256)}-{_sha256(part)}{SUFFIX}"
            part.rename(path)
        finally:
            part.unlink(missing_ok=True)
        self._remove_old()
        return path

    def _remove_old(self) -> None:
        """Keep the files that were used last. Processes that have mapped another keep it."""
        used = sorted(self._folder.glob(f"*{SUFFIX}"), key=lambda path: path.stat().st_mtime)
        for path in used[:-KEPT]:
            path.unlink(missing_ok=True)

    def _check_folder(self) -> None:
        try:
            status = self._folder.lstat()
        except OSError as error:
            raise WeightsUnavailable(f"{self._folder} cannot be read: {error.strerror}.") from error
        if not stat.S_ISDIR(status.st_mode) or not _is_private(status):
            raise WeightsUnavailable(
                f"{self._folder} is not a folder of this user that nobody else may write to."
            )


def weights_key(model_sha256: str) -> str:
    """Return what the packed weights depend on: the model, LiteRT and the processor."""
    cpuinfo = CPUINFO.read_text(encoding="utf-8") if CPUINFO.exists() else platform.processor()
    # The kernels that LiteRT chooses depend on all of these.
    cpu = re.findall(r"^(?:flags|Features|model|model name|cpu family)\s*:.*$", cpuinfo, re.M)
    depends_on = (str(FORMAT), model_sha256, version("ai-edge-litert"), *sorted(set(cpu)))
    return hashlib.sha256("\n".join((*depends_on, platform.machine())).encode()).hexdigest()


def _run(*arguments: str) -> None:
    """Run a process that builds or verifies; raise WeightsUnavailable with its last line."""
    try:
        done = subprocess.run(
            # -P: do not import a `scoring.py` of the current folder.
            [sys.executable, "-P", "-m", "scoring.runtime.build_weights", *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=BUILD_LIMIT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise WeightsUnavailable(f"building them took longer than {BUILD_LIMIT_S:g} s.") from error
    if done.returncode != 0:
        lines = [line for line in done.stderr.splitlines() if line and not LOG.match(line)]
        last = (lines or ["without a message"])[-1]
        raise WeightsUnavailable(f"the process that builds them failed: {last}.")


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold the lock, for which another process may build for as long as its limit. Raises OSError.

    The kernel releases the lock of a process that dies.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        deadline = time.monotonic() + BUILD_LIMIT_S
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError as error:
                if time.monotonic() > deadline:
                    raise WeightsUnavailable("another process is building them.") from error
                time.sleep(POLL_S)
        yield
    finally:
        os.close(descriptor)


def _is_private(status: os.stat_result) -> bool:
    return status.st_uid == os.geteuid() and not status.st_mode & WRITABLE_BY_OTHERS


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
