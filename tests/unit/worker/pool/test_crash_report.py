import pytest

from worker.pool.crash_report import reason


@pytest.mark.parametrize(
    ("ending", "says"),
    [
        ("Worker exited prematurely: signal 11 (SIGSEGV) Job: 3.", "died by SIGSEGV"),
        ("Worker exited prematurely: signal 14 (SIGALRM) Job: 3.", "time limit of 7.5 s passed"),
        ("Worker exited prematurely: signal 9 (SIGKILL) Job: 3.", "where memory runs out"),
        ("Worker exited prematurely: signal 6 (SIGABRT) Job: 3.", "where it gets no memory"),
        ("Worker exited prematurely: exitcode 1 Job: 3.", "ended by itself"),
    ],
)
def test_the_reason_says_which(ending: str, says: str) -> None:
    assert says in reason(ending, 7.5)
