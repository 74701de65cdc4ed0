"""Limits apply to a whole process, so they are set in processes of their own."""

from __future__ import annotations

import os
import re
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from plumbline.errors import SettingsInvalid
from scoring.artifact.artifact import Artifact
from scoring.scorer import Scorer
from tests.paths import SHIPPED
from worker.pool.memory_limit import (
    MemoryLimited,
    check_limit,
    largest_message_mb,
    measure_mb,
    recycle_kib,
)

SENTENCE = (
    r"^PLUMBLINE_CHILD_MEMORY_MB=100 is too little for sms-spam/1\.0\.0: .* set it to (\d+) or more"
)

ALLOCATE_400_MB = """
from worker.pool.memory_limit import limit_memory
limit_memory({limit})
try:
    block = bytearray(400_000_000)
except MemoryError:
    print("refused")
"""


def allocate_400_mb(limit: int) -> str:
    command = [sys.executable, "-c", ALLOCATE_400_MB.format(limit=limit)]
    return subprocess.run(command, capture_output=True, text=True, timeout=20, check=True).stdout


def test_an_allocation_beyond_the_limit_is_refused() -> None:
    assert allocate_400_mb(limit=300) == "refused\n"


def test_a_limit_of_0_refuses_nothing() -> None:
    assert allocate_400_mb(limit=0) == ""


def test_a_child_is_replaced_before_it_reaches_its_limit() -> None:
    assert recycle_kib(2_048) == 1_536 * 1024
    assert recycle_kib(0) is None


def test_a_limit_without_room_for_the_model_is_refused_with_one_that_suffices() -> None:
    artifact = Artifact.load(SHIPPED)
    with pytest.raises(SettingsInvalid, match=SENTENCE) as error:
        check_limit(100, artifact, Scorer.load)
    sufficient = int(re.search(SENTENCE, str(error.value))[1])  # type: ignore[index]
    check_limit(sufficient, artifact, Scorer.load)


def test_no_limit_and_an_ample_one_are_not_measured() -> None:
    def fail(folder: Path) -> Scorer:
        raise AssertionError

    artifact = Artifact.load(SHIPPED)
    for limit in (0, 2_048):
        check_limit(limit, artifact, fail)


def test_a_limit_of_the_process_that_the_model_exceeds_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(folder: Path) -> Scorer:
        raise MemoryError

    artifact = Artifact.load(SHIPPED)
    check_limit(0, artifact, fail)
    monkeypatch.setattr(resource, "getrlimit", lambda kind: (300 * 2**20, resource.RLIM_INFINITY))
    for limit in (0, 2_048):
        with pytest.raises(MemoryLimited, match="raise the limit"):
            check_limit(limit, artifact, fail)


def test_the_memory_of_a_copy_of_the_process_is_measured() -> None:
    blocks: list[bytearray] = []
    without = measure_mb(lambda: None)
    with_block = measure_mb(lambda: blocks.append(bytearray(200 * 2**20)))
    assert without is not None and with_block is not None
    assert 195 <= with_block - without <= 210
    assert blocks == []


def test_a_measurement_that_ends_its_process_is_unknown() -> None:
    assert measure_mb(lambda: os.kill(os.getpid(), signal.SIGKILL)) is None
    assert measure_mb(lambda: {}["missing"]) is None


def test_a_message_is_accepted_only_if_a_process_can_receive_it() -> None:
    assert largest_message_mb(160, child_mb=0) == 160
    assert largest_message_mb(160, child_mb=2_048) == 160
    assert largest_message_mb(512, child_mb=2_048) == 224
    assert largest_message_mb(160, child_mb=512) == 32
    assert largest_message_mb(160, child_mb=200) == 1
