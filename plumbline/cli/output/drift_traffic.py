"""The traffic behind a drift report: the share of each source, and the least familiar texts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich.table import Table
from sqlalchemy import Connection

from plumbline.cli.output.console import column_table, out, printable_text
from plumbline.cli.output.drift_report import ReportWithValues
from storage.reports.accepted_references import rows_by_source
from storage.reports.window_texts import (
    Period,
    UnfamiliarText,
    least_familiar,
    may_read_texts,
    source_rows,
)

MAX_SOURCES = 8
ID_DIGITS = 8


@dataclass(frozen=True, slots=True)
class SourceShare:
    """A source's texts in the window's time; of the reference, None if that is unknown."""

    source: str
    rows: int
    share: float
    reference_rows: int | None
    reference_share: float | None


@dataclass(frozen=True, slots=True)
class ReportTraffic:
    """`texts` is None if this login may not read them, `sources` are the largest first."""

    sources: Sequence[SourceShare]
    texts: Sequence[UnfamiliarText] | None


def read_traffic(connection: Connection, stored: ReportWithValues, texts: int) -> ReportTraffic:
    """Read what is still stored of the report's window."""
    report = stored.report
    if not may_read_texts(connection):
        return ReportTraffic((), None)
    if report.window_from is None or report.window_to is None:
        return ReportTraffic((), ())
    period = Period(report.model, report.window_from, report.window_to)
    sources = source_shares(source_rows(connection, period), reference_sources(connection, stored))
    unfamiliar = least_familiar(connection, period, report.source, texts) if texts else []
    return ReportTraffic(sources, unfamiliar)


def reference_sources(
    connection: Connection, stored: ReportWithValues
) -> Sequence[tuple[str, int]]:
    """Return the sources of the reference; none for a profile, whose texts have no source."""
    report = stored.report
    if stored.accepted is not None:
        return rows_by_source(stored.accepted)
    if report.reference_from is None or report.reference_to is None:
        return ()
    return source_rows(connection, Period(report.model, report.reference_from, report.reference_to))


def source_shares(
    window: Sequence[tuple[str, int]], reference: Sequence[tuple[str, int]]
) -> list[SourceShare]:
    """Return a share per source of either side, the largest of the window first."""
    rows, before = dict(window), dict(reference)
    total, total_before = sum(rows.values()), sum(before.values())
    return [
        SourceShare(
            source,
            rows.get(source, 0),
            rows.get(source, 0) / total if total else 0.0,
            before.get(source, 0) if before else None,
            before.get(source, 0) / total_before if before else None,
        )
        for source in [*rows, *(name for name in before if name not in rows)]
    ]


def traffic_document(traffic: ReportTraffic) -> dict[str, Any]:
    texts = None if traffic.texts is None else [asdict(text) for text in traffic.texts]
    return {"sources": [asdict(source) for source in traffic.sources], "unfamiliar_texts": texts}


def print_traffic(traffic: ReportTraffic) -> None:
    if traffic.sources:
        out.print(sources_table(traffic.sources))
    if traffic.texts:
        out.print(texts_table(traffic.texts))
        out.print(
            "The least familiar texts of the window: the higher the number, the less a text is "
            "like those of training.",
            style="dim",
        )


def sources_table(sources: Sequence[SourceShare]) -> Table:
    with_reference = any(source.reference_share is not None for source in sources)
    table = column_table("source", "texts", "share", *(["reference"] if with_reference else []))
    for column in table.columns[1:]:
        column.justify = "right"
    for source in sources[:MAX_SOURCES]:
        before = source.reference_share
        table.add_row(
            printable_text(source.source, 30),
            f"{source.rows:,}",
            f"{source.share:.1%}",
            *([f"{before:.1%}"] if before is not None else []),
        )
    others = sources[MAX_SOURCES:]
    if others:
        rows, share = sum(other.rows for other in others), sum(other.share for other in others)
        table.add_row(f"{len(others):,} others", f"{rows:,}", f"{share:.1%}")
    return table


def texts_table(texts: Sequence[UnfamiliarText]) -> Table:
    """Return a row of one line per text, which `plumbline show JOB` prints in full."""
    with_keys = any(text.key is not None for text in texts)
    table = column_table("", "job", "source", *(["key"] if with_keys else []), "text")
    for column in table.columns:
        column.no_wrap = True
    table.columns[-1].ratio = 1
    table.expand = True
    for text in texts:
        table.add_row(
            f"{text.unfamiliarity:.2f}",
            str(text.job_id)[:ID_DIGITS],
            printable_text(text.source, 12),
            *([printable_text(text.key, 12)] if with_keys else []),
            printable_text(text.text, 200),
        )
    return table
