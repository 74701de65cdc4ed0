"""`plumbline drift accept, accepted, revoke`: which live traffic counts as normal."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text
from sqlalchemy import Connection, Row

from plumbline.cli.database import database
from plumbline.cli.json_option import JsonOption
from plumbline.cli.output.console import (
    column_table,
    err,
    format_short_time,
    format_time,
    out,
    printable_text,
    property_table,
)
from plumbline.cli.output.drift_report import accepted_values
from plumbline.cli.output.json_output import print_json
from plumbline.cli.times import parse_time
from plumbline.cli.user import current_user
from plumbline.errors import OptionInvalid, ReferenceMissing, ReferenceRefused
from plumbline.services import connected
from plumbline.settings import Settings
from storage.database import absolute_time
from storage.reports import accepted_references
from storage.reports.accepted_references import Traffic, rows_by_source
from storage.serving import deployments

# docs/benchmarks.md has the rates: with fewer rows than MIN_ROWS, a report finds hardly any change;
# with fewer than MANY_ROWS, it misses most changes of a fifth of the texts.
MIN_ROWS = 100
MANY_ROWS = 500
MAX_SOURCES = 5
MAX_BIGINT = 2**63 - 1
ReasonOption = Annotated[str, typer.Option(help="Reason, shown in every later report.")]


def accept(
    since: Annotated[
        str,
        typer.Option(help="Start of the traffic: 12h or 7d ago, or a date.", show_default=False),
    ],
    reason: ReasonOption,
    until: Annotated[
        str | None, typer.Option(help="End of the traffic: 1h ago, or a date. Default: now.")
    ] = None,
    source: Annotated[str | None, typer.Option(help="Only texts from this source.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Accept live traffic as normal: it becomes the reference of the live version's reports."""
    check_reason(reason)
    begin = parse_time(since, "--since")
    end = None if until is None else parse_time(until, "--until")
    settings = Settings.read()
    with database(connected(settings)) as engine, engine.begin() as connection:
        started = absolute_time(connection, begin)
        ended = None if end is None else absolute_time(connection, end)
        if ended is not None and started >= ended:
            raise OptionInvalid("--since must be before --until.")
        # Until the end of the transaction, so that no other version becomes live meanwhile.
        deployments.lock_deployments(connection)
        model = require_live(connection)
        traffic = accepted_references.read_traffic(
            connection, model=model, since=started, until=ended, source=source
        )
        check_enough(traffic, model, source, started, max(MIN_ROWS, settings.drift_min_rows))
        accepted = accepted_references.accept(
            connection,
            traffic,
            model=model,
            source=source,
            reason=reason.strip(),
            accepted_by=current_user(),
        )
    if as_json:
        print_json(accepted_values(accepted) | {"total": traffic.total})
        return
    out.print(accepted_table(accepted, traffic))
    out.print(consequences(accepted), style="dim")
    if accepted.rows < MANY_ROWS:
        err.print(
            f"{accepted.rows:,} texts are a coarse reference: changes of a fifth of the texts may "
            f"go unnoticed. Accept at least {MANY_ROWS:,} as soon as there are as many."
        )


def accepted(as_json: JsonOption = False) -> None:
    """List the accepted references, newest first, with those that were revoked."""
    settings = Settings.read()
    with database(connected(settings)) as engine, engine.connect() as connection:
        rows = accepted_references.list_accepted(connection)
        states = reference_states(connection, rows, settings.drift_min_rows)
    if as_json:
        listed = [accepted_values(row) | {"state": states[row.id]} for row in rows]
        print_json({"accepted": listed})
    elif rows:
        out.print(list_table(rows, states))
    else:
        out.print(
            "No traffic is accepted as a reference; `plumbline drift accept --since 7d "
            "--reason ...` accepts some."
        )


def revoke(
    number: Annotated[int, typer.Argument(help="Its number in `plumbline drift accepted`.")],
    reason: Annotated[str, typer.Option(help="Reason, recorded next to that of the acceptance.")],
    as_json: JsonOption = False,
) -> None:
    """Reverse an acceptance: reports compare with what was the reference before."""
    check_reason(reason)
    settings = Settings.read()
    with database(connected(settings)) as engine, engine.begin() as connection:
        known = 0 < number <= MAX_BIGINT
        row = accepted_references.find_accepted(connection, number) if known else None
        if row is None:
            raise ReferenceMissing(
                f"There is no accepted reference {number}; see `plumbline drift accepted`."
            )
        if not accepted_references.revoke(
            connection, number, reason=reason.strip(), revoked_by=current_user()
        ):
            raise ReferenceMissing(
                f"The accepted reference {number} was already revoked by {row.revoked_by} at "
                f"{format_time(row.revoked_at)}."
            )
        before = accepted_references.in_force(
            connection, row.model, row.source, settings.drift_min_rows
        )
        revoked = accepted_references.find_accepted(connection, number)
    assert revoked is not None, "this transaction has written it"
    if as_json:
        print_json(accepted_values(revoked))
        return
    default = "validation texts" if settings.drift_reference == "profile" else "an earlier window"
    reference = default if before is None else f"the accepted reference {before[0].id}"
    out.print(
        f"Revoked the accepted reference {number}; reports on {row.model} compare with "
        f"{reference} from the next one on."
    )


def check_reason(reason: str) -> None:
    if not reason.strip():
        raise OptionInvalid("--reason must not be empty: every later report shows it.")


def require_live(connection: Connection) -> str:
    model = deployments.live_model(connection)
    if model is None:
        raise ReferenceRefused(
            "No version is live yet, so there is no traffic to accept; the first worker to start "
            "makes one live."
        )
    return model


def check_enough(
    traffic: Traffic, model: str, source: str | None, since: datetime, needed: int
) -> None:
    if traffic.total >= needed:
        return
    of_source = "" if source is None else f" of source {source}"
    raise ReferenceRefused(
        f"{model}, the live version, scored {traffic.total:,} texts{of_source} in this time, but a "
        f"reference needs at least {needed:,}: choose an earlier --since than "
        f"{format_time(since)}, or wait; texts that other versions scored do not count."
    )


def accepted_table(accepted: Row[Any], traffic: Traffic) -> Table:
    table = property_table(f"accepted reference {accepted.id}")
    table.add_row("model", accepted.model)
    table.add_row("source", printable_text(accepted.source or "all sources"))
    period = f"{format_time(accepted.window_from)} to {format_time(accepted.window_to)}"
    sample = "" if accepted.rows == traffic.total else f", a random sample of {traffic.total:,}"
    table.add_row("texts", f"{accepted.rows:,}{sample}")
    table.add_row("scored", period)
    table.add_row("sources", sources_text(accepted))
    table.add_row("reason", printable_text(accepted.reason, 300))
    table.add_row("accepted by", printable_text(accepted.accepted_by))
    return table


def sources_text(accepted: Row[Any]) -> Text:
    """Return the share of each source, so that nobody accepts one without noticing."""
    sources = rows_by_source(accepted)
    lines = [printable_text(f"{rows / accepted.rows:.1%} {source}") for source, rows in sources][
        :MAX_SOURCES
    ]
    if len(sources) > MAX_SOURCES:
        lines.append(Text(f"and {len(sources) - MAX_SOURCES:,} more"))
    return Text("\n").join(lines)


def consequences(accepted: Row[Any]) -> str:
    about = "all sources and on each of them that it contains"
    scope = about if accepted.source is None else f"source {accepted.source} alone"
    return (
        f"Drift reports on {accepted.model}, on {scope}, compare with it from the next one on, "
        "which `plumbline drift run` makes now. Verdicts from before are history. "
        f"`plumbline drift revoke {accepted.id} --reason "
        "...` reverses it, and a promotion ends it. Estimated metrics stay marked as untrustworthy "
        "while the texts differ from the validation texts."
    )


def reference_states(
    connection: Connection, rows: Sequence[Row[Any]], min_rows: int
) -> dict[int, str]:
    """Return for each row whether it is the reference now, or why not."""
    live = deployments.live_model(connection)
    states = {}
    for row in rows:
        if row.revoked_at is not None:
            states[row.id] = "revoked"
        elif row.model != live:
            states[row.id] = "not live"
        else:
            current = accepted_references.in_force(connection, row.model, row.source, min_rows)
            in_force = current is not None and current[0].id == row.id
            states[row.id] = "in force" if in_force else "replaced"
    return states


def list_table(rows: Sequence[Row[Any]], states: dict[int, str]) -> Table:
    table = column_table("id", "accepted", "model", "source", "texts", "state", "by and reason")
    for column in table.columns[:-1]:
        column.no_wrap = True
    for row in rows:
        lines = [printable_text(f"{row.accepted_by}: {row.reason}", 200)]
        if row.revoked_at is not None:
            lines.append(printable_text(f"{row.revoked_by}: {row.revoked_reason}", 200))
        table.add_row(
            str(row.id),
            format_short_time(row.accepted_at),
            printable_text(row.model, 16),
            printable_text(row.source or "all", 12),
            f"{row.rows:,}",
            states[row.id],
            Text("\n").join(lines),
        )
    return table
