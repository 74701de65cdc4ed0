from __future__ import annotations

import pytest

from plumbline_client.broker_answers import cure


@pytest.mark.parametrize(
    "answer",
    [
        "NOAUTH Authentication required.",
        "WRONGPASS invalid username-password pair or user is disabled.",
        "invalid password",
        "AUTH <password> called without any password configured for the default user.",
        "Client sent AUTH, but no password is set",
        "NOPERM this user has no permissions to run the 'rpop' command",
        "unknown command `LMOVE`, with args beginning with: `k`",
        "DB index is out of range",
        "DENIED Redis is running in protected mode",
        "NOPROTO unsupported protocol version",
    ],
)
def test_an_answer_that_does_not_pass_has_a_cure(answer: str) -> None:
    assert cure(answer)


@pytest.mark.parametrize(
    "answer",
    [
        "READONLY You can't write against a read only replica.",
        "OOM command not allowed when used memory > 'maxmemory'.",
        "MISCONF Redis is configured to save RDB snapshots, but is unable to persist on disk.",
        "NOREPLICAS Not enough good replicas to write.",
        "LOADING Redis is loading the dataset in memory",
        "BUSY Redis is busy running a script.",
        "CLUSTERDOWN The cluster is down",
        "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
        "max number of clients reached",
        "an answer of the future",
    ],
)
def test_any_other_answer_may_pass(answer: str) -> None:
    assert cure(answer) is None
