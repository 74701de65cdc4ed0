"""The time of every query with millions of finished jobs in the tables, and its plan.

    .venv/bin/python -m benchmarks.scale [--rows 200000] [--folder FOLDER] [--output FILE]

With --folder the PostgreSQL in it is kept, and filled only once. Every query runs `--runs` times in
transactions that are rolled back; the table shows those whose p95 is the highest.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table
from sqlalchemy import Connection, Engine, event, text

from benchmarks import result_file, scale_plans
from benchmarks.scale_queries import Query, find_example, queries
from benchmarks.scale_rows import fill, is_filled
from monitoring.quality.report import make_reports
from plumbline.embedded.postgres import postgres_server
from plumbline.settings import Settings
from storage import migrate
from storage.database import MIGRATING, now, open_engine
from storage.jobs.retention import purge_predictions

MODELS = Path(__file__).resolve().parent.parent / "models"
LIMIT_MS = 50.0
# A query is not repeated after so long in all, and one that takes as long is not run for its plan.
LONGEST_S = 2.0
SIZES = text("""
SELECT relname AS name, pg_table_size(oid) AS table_bytes, pg_indexes_size(oid) AS index_bytes,
       CAST(reltuples AS float8) AS rows
FROM pg_class
WHERE relnamespace = CAST('plumbline' AS regnamespace) AND relkind = 'r'
ORDER BY pg_total_relation_size(oid) DESC LIMIT 5
""")


@dataclass(frozen=True, slots=True)
class Timing:
    area: str
    name: str
    runs: int
    median_ms: float
    p95_ms: float
    highest_ms: float
    plans: list[str] = field(default_factory=list)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=200_000, help="finished jobs (200000)")
    parser.add_argument("--folder", type=Path, help="keep the PostgreSQL here")
    parser.add_argument("--runs", type=int, default=20, help="runs of each query (20)")
    parser.add_argument("--only", default="", help="only queries with this in their name")
    parser.add_argument("--purge-days", type=float, help="at the end, delete what is so old")
    parser.add_argument("--plans", type=Path, help="write the plans here, as a page")
    parser.add_argument("--show", type=int, default=25, help="rows of the table (25)")
    result_file.add_output_option(parser)
    options = parser.parse_args()
    console = Console()
    with filled_database(options.folder, options.rows, console) as engine:
        quality_s = first_quality_reports(engine, console)
        timings = [
            measure(engine, query, options.runs)
            for query in example_queries(engine)
            if options.only in f"{query.area} {query.name}"
        ]
        with engine.connect() as connection:
            sizes = [dict(row._mapping) for row in connection.execute(SIZES)]
        purge = None
        if options.purge_days is not None:
            purge = measure_purge(engine, timedelta(days=options.purge_days), console)
    print_timings(console, timings, options.show)
    if options.plans is not None:
        write_plans(options.plans, timings, options.rows)
    figures = {
        "rows": options.rows,
        "tables": sizes,
        "quality_reports_s": quality_s,
        "purge": purge,
        "queries": [asdict(timing) for timing in timings],
    }
    result_file.write_result(options.output, figures, ("sqlalchemy", "psycopg"))


def write_plans(path: Path, timings: list[Timing], rows: int) -> None:
    title = f"Query plans with {rows:,} finished jobs"
    heading = (
        f"{result_file.machine_line()}. Of each query the slowest statement: the nodes that take "
        f"at least {scale_plans.SHARE:.0%} of its time, with the time until their last row. "
        f"Written by `python -m benchmarks.scale --rows {rows} --plans docs/{path.name}`."
    )
    path.write_text(scale_plans.page(timings, title, heading), encoding="utf-8")


def first_quality_reports(engine: Engine, console: Console) -> float:
    started = perf_counter()
    made = make_reports(engine, Settings(models_dir=MODELS))
    elapsed_s = perf_counter() - started
    assert made is not None, "nobody else makes reports here"
    console.print(f"{made.reports:,} quality reports of {made.windows} windows, {elapsed_s:.2f} s")
    return elapsed_s


def measure_purge(engine: Engine, age: timedelta, console: Console) -> dict[str, float]:
    """Delete predictions and labels of that age, as `plumbline db purge --rows-older-than` does."""
    with engine.connect() as connection:
        before = now(connection) - age
    rows, longest_s, started = 0, 0.0, perf_counter()
    ended = started
    for count in purge_predictions(engine, before):
        rows, began, ended = rows + count, ended, perf_counter()
        longest_s = max(longest_s, ended - began)
    elapsed_s = ended - started
    console.print(
        f"{rows:,} predictions older than {age.days} days deleted in {elapsed_s:.1f} s, "
        f"{rows / max(elapsed_s, 1e-9):,.0f} per second, the longest batch in {longest_s:.2f} s"
    )
    return {"rows": rows, "seconds": elapsed_s, "longest_batch_s": longest_s}


@contextmanager
def filled_database(folder: Path | None, rows: int, console: Console) -> Iterator[Engine]:
    with (
        tempfile.TemporaryDirectory() as temporary,
        postgres_server(folder or Path(temporary) / "postgres") as server,
        open_engine(server.url, limits=MIGRATING) as engine,
    ):
        migrate.upgrade(engine, report=console.print)
        with engine.connect() as connection:
            filled = is_filled(connection)
        if not filled:
            with console.status("inserting ...") as status:
                for count in fill(engine, rows):
                    status.update(f"inserting: {count:,} of {rows:,} jobs")
        yield engine


def example_queries(engine: Engine) -> list[Query]:
    with engine.connect() as connection:
        return list(queries(find_example(connection)))


def measure(engine: Engine, query: Query, runs: int) -> Timing:
    """Run a query on one connection, as a worker does: PostgreSQL may choose a generic plan."""
    durations_s: list[float] = []
    with engine.connect() as connection:
        while len(durations_s) < runs and sum(durations_s) < LONGEST_S:
            with connection.begin() as transaction:
                started = perf_counter()
                query.run(connection)
                durations_s.append(perf_counter() - started)
                transaction.rollback()
    with engine.connect() as connection:
        plans = explain(connection, query) if durations_s[-1] < LONGEST_S else []
    milliseconds = 1000.0 * np.array(durations_s)
    return Timing(
        query.area,
        query.name,
        len(durations_s),
        round(float(np.median(milliseconds)), 2),
        round(float(np.percentile(milliseconds, 95)), 2),
        round(float(milliseconds.max()), 2),
        plans,
    )


def explain(connection: Connection, query: Query) -> list[str]:
    """Return the plan of each statement of the query, as it ran."""
    statements: list[tuple[str, Any]] = []

    def record(_: Any, __: Any, statement: str, parameters: Any, *___: Any) -> None:
        statements.append((statement, parameters))

    event.listen(connection, "before_cursor_execute", record)
    with connection.begin() as transaction:
        query.run(connection)
        transaction.rollback()
    event.remove(connection, "before_cursor_execute", record)
    # A server-side cursor cannot explain.
    connection.execution_options(stream_results=False)
    plans = []
    for statement, parameters in statements:
        if statement.startswith("SET "):
            continue
        with connection.begin() as transaction:
            rows = connection.exec_driver_sql("EXPLAIN (ANALYZE, BUFFERS) " + statement, parameters)
            plans.append("\n".join(row[0] for row in rows))
            transaction.rollback()
    return plans


def print_timings(console: Console, timings: list[Timing], show: int) -> None:
    slow = [timing for timing in timings if timing.p95_ms >= LIMIT_MS]
    table = Table(title=f"{result_file.machine_line()}, {len(timings)} queries")
    for heading in ("area", "query", "runs", "median, ms", "p95, ms"):
        table.add_column(heading, justify="right" if "ms" in heading else "left")
    for timing in sorted(timings, key=lambda timing: -timing.p95_ms)[:show]:
        figures = (f"{timing.median_ms:,.1f}", f"{timing.p95_ms:,.1f}")
        table.add_row(timing.area, timing.name, str(timing.runs), *figures)
    console.print(table)
    console.print(f"{len(slow)} of {len(timings)} queries take {LIMIT_MS:g} ms or more at p95.")


if __name__ == "__main__":
    main()
