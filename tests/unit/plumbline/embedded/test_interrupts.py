from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from plumbline.embedded.interrupts import SIGNALS, Interrupts


@pytest.fixture(autouse=True)
def default_handlers() -> Iterator[None]:
    """A test run in the background of a script inherits ignored signals."""
    previous = {number: signal.signal(number, signal.SIG_DFL) for number in SIGNALS}
    yield
    for number, handler in previous.items():
        signal.signal(number, handler)


def test_the_first_signal_waits_for_a_check_and_the_second_raises_immediately() -> None:
    with Interrupts() as interrupts:
        interrupts.check()
        os.kill(os.getpid(), signal.SIGTERM)
        with pytest.raises(KeyboardInterrupt):
            interrupts.check()
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


def test_a_signal_during_the_shutdown_only_hastens_it() -> None:
    calls = []
    with Interrupts() as interrupts:
        interrupts.begin_shutdown(lambda: calls.append(True))
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGTERM)
        interrupts.check()
    assert calls == [True, True]


def test_an_ignored_signal_stays_ignored() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with Interrupts() as interrupts:
        os.kill(os.getpid(), signal.SIGHUP)
        interrupts.check()
