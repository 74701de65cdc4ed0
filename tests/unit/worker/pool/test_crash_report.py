import pytest

from worker.pool.crash_report import crash_reason


@pytest.mark.parametrize(
    ("exit_description", "reason"),
    [
        (
            "Worker exited prematurely: signal 11 (SIGSEGV) Job: 3.",
            "its worker process was killed by SIGSEGV",
        ),
        (
            "Worker exited prematurely: signal 14 (SIGALRM) Job: 3.",
            "the time limit of 7.5 s passed while it was being scored",
        ),
        (
            "Worker exited prematurely: signal 9 (SIGKILL) Job: 3.",
            "its worker process was killed by SIGKILL, which the kernel also sends when memory "
            "runs out",
        ),
        (
            "Worker exited prematurely: signal 6 (SIGABRT) Job: 3.",
            "its worker process was killed by SIGABRT, which native code also raises when it "
            "cannot allocate memory",
        ),
        (
            "Worker exited prematurely: exitcode 1 Job: 3.",
            "its worker process exited while scoring it",
        ),
    ],
)
def test_the_reason_follows_from_the_way_the_process_ended(
    exit_description: str, reason: str
) -> None:
    assert crash_reason(exit_description, 7.5) == reason
