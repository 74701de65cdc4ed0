from __future__ import annotations

from plumbline.embedded.child_process import describe_exit


def test_an_exit_is_described_in_words() -> None:
    assert describe_exit(3) == "exited with status 3"
    assert describe_exit(-9) == "was killed by SIGKILL"
