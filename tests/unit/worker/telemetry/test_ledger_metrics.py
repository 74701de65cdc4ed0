from prometheus_client import CollectorRegistry

from worker.telemetry.ledger_metrics import CACHE_S, LedgerCollector, SeriesLimits

UNREACHABLE = "postgresql://me:secret@127.0.0.1:1/none"


def test_only_database_up_is_reported_while_postgresql_is_unavailable() -> None:
    registry = CollectorRegistry()
    registry.register(LedgerCollector(UNREACHABLE, SeriesLimits(50, 10_800.0)))
    assert {
        (sample.name, sample.value) for metric in registry.collect() for sample in metric.samples
    } == {("plumbline_database_up", 0.0)}


def test_postgresql_is_queried_every_ten_seconds_however_often_prometheus_scrapes() -> None:
    now, queried_at = 0.0, []

    class Counting(LedgerCollector):
        def _query(self) -> list[object]:
            queried_at.append(now)
            return []

    collector = Counting(UNREACHABLE, 50, lambda: now)
    for now in (0.0, 1.0, CACHE_S - 0.1, CACHE_S, CACHE_S + 1.0):  # noqa: B007
        list(collector.collect())
    assert queried_at == [0.0, CACHE_S]
