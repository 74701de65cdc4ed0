"""`plumbline demo`: bundled texts from the client to a drift report, on servers of its own."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from plumbline.cli.output.console import out
from plumbline.cli.output.progress import TerminalReporter
from plumbline.demo.display import print_next_steps, show_both_batches
from plumbline.demo.loop import demo_settings
from plumbline.embedded.stack import stack
from plumbline.settings import Settings


def demo() -> None:
    """Score bundled texts, from the client to a drift report, and stop everything."""
    started = time.monotonic()
    settings = demo_settings(Settings.read(), datetime.now(UTC))
    reporter = TerminalReporter(out)
    try:
        with stack(settings, reporter) as running:
            html_path = show_both_batches(running, reporter)
        reporter.done()
    except KeyboardInterrupt:
        reporter.done()
        out.print("Interrupted; everything that the demo started has stopped.")
        raise
    finally:
        reporter.cancel()
    print_next_steps(settings, html_path)
    took_s = time.monotonic() - started
    out.print()
    out.print(f"Done in {took_s:.0f} s. Everything that the demo started has stopped.")
