from prometheus_client import CollectorRegistry

from worker.telemetry.ledger_metrics import EVERY_S, LedgerCollector

NOWHERE = "postgresql://me:secret@127.0.0.1:1/none"


def test_without_its_database_a_scrape_says_so_and_nothing_else() -> None:
    registry = CollectorRegistry()
    registry.register(LedgerCollector(NOWHERE))
    assert {
        (sample.name, sample.value) for metric in registry.collect() for sample in metric.samples
    } == {("plumbline_database_up", 0.0)}


def test_the_database_is_asked_every_ten_seconds_however_often_we_are() -> None:
    now, asked = 0.0, []

    class Counting(LedgerCollector):
        def _ask(self) -> list[object]:
            asked.append(now)
            return []

    collector = Counting(NOWHERE, lambda: now)
    for now in (0.0, 1.0, EVERY_S - 0.1, EVERY_S, EVERY_S + 1.0):  # noqa: B007
        list(collector.collect())
    assert asked == [0.0, EVERY_S]
