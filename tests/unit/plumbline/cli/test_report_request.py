from __future__ import annotations

import pytest
from sqlalchemy import create_engine

from plumbline.cli import report_request
from plumbline.errors import ReportMissing


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report_request, "POLL_S", 0.0)


def test_first_report_that_the_query_finds_is_returned() -> None:
    answers = iter([None, None, "report"])
    calls = []
    report = report_request.wait_for(
        create_engine("sqlite://"), lambda _: next(answers), 60.0, lambda: calls.append("polled")
    )
    assert report == "report"
    assert len(calls) == 3


def test_error_after_the_timeout_names_the_commands_that_run_a_reports_worker() -> None:
    with pytest.raises(ReportMissing, match=r"^No report arrived within 0 s; .*`plumbline up`"):
        report_request.wait_for(create_engine("sqlite://"), lambda _: None, 0.0)


def test_error_of_the_callback_ends_the_wait() -> None:
    def stop() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        report_request.wait_for(create_engine("sqlite://"), lambda _: None, 60.0, stop)
