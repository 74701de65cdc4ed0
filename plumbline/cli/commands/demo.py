"""`plumbline demo`: the whole loop on bundled texts, in front of your eyes, then all of it gone."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from plumbline.cli.output.console import out
from plumbline.cli.output.progress import Narration
from plumbline.settings import Settings


def demo() -> None:
    """Watch bundled texts travel from the client to a drift report; nothing stays running."""
    # Celery and SQLAlchemy, which no other command should wait for.
    from plumbline.demo.loop import demo_settings
    from plumbline.demo.show import both_batches, where_next
    from plumbline.embedded.stack import stack

    started = time.monotonic()
    settings = demo_settings(Settings.read(), datetime.now(UTC))
    narration = Narration(out)
    try:
        with stack(settings, narration) as running:
            html_path = both_batches(running, narration)
        narration.done()
    except KeyboardInterrupt:
        narration.done()
        out.print("Interrupted; everything the demo started is stopped.")
        raise
    finally:
        narration.stopped()
    where_next(settings, html_path)
    out.print(
        f"\nDone in {time.monotonic() - started:.0f} s. Everything the demo started is stopped."
    )
