from datetime import UTC, datetime

from rich.console import Console

from plumbline.cli.commands.alerts import alerts_table
from tests.rows import row

ALERT = row(
    id=7,
    rule="queue_age",
    subject="everything",
    severity="critical",
    message="The oldest queued text has waited for 20 min, above the threshold of 10 min.",
    value=1_200.0,
    threshold=600.0,
    raised_at=datetime(2026, 3, 1, 12, tzinfo=UTC),
    resolved_at=datetime(2026, 3, 2, 12, tzinfo=UTC),
)


def test_alert_is_one_row_with_its_message() -> None:
    console = Console(width=140, file=None)
    with console.capture() as output:
        console.print(alerts_table([ALERT]))
    for word in ("2026-03-01", "2026-03-02", "queue_age", "critical", ALERT.message):
        assert word in output.get()
