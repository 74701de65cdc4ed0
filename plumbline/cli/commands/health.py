"""`plumbline health`: whether the system is live, ready and making progress, as an exit code.

A probe runs this every few seconds, so it imports only what it needs: Rich only for a terminal, and
the settings only if the environment does not name both servers.
"""

from __future__ import annotations

import os
import sys
from dataclasses import asdict
from typing import Annotated, Any

import typer

from plumbline.cli.output.json_output import JsonOption, print_json
from plumbline.health import TIMEOUT_S, Health, HealthReport, check, check_this_machine
from plumbline_client.services import Services, find_services
from plumbline_client.url_syntax import cleaned
from plumbline_client.visible import one_line

STALLED_AFTER_S = 60.0


def health(
    here: Annotated[
        bool,
        typer.Option("--here", help="Check only this machine's processes, through Redis alone."),
    ] = False,
    stalled_after: Annotated[
        float,
        typer.Option(min=1.0, help="Seconds that texts may be queued while none is scored."),
    ] = STALLED_AFTER_S,
    timeout: Annotated[
        float, typer.Option(min=0.5, help="Seconds after which a silent server counts as down.")
    ] = TIMEOUT_S,
    as_json: JsonOption = False,
) -> None:
    """Report whether the system is live, ready and making progress. For probes.

    Exit 0: all three. 3: not live; a server, every worker or beat is down. 4: live but not ready;
    no worker has loaded its model, or the tables do not exist. 5: ready, but texts are queued and
    none is scored, or no sweep was completed for 5 minutes. Clocks that differ from PostgreSQL's
    and missing sweeps are printed as well, and change no exit code.
    """
    services = probe_services()
    if here:
        report = check_this_machine(services.broker_url, timeout)
    else:
        report = check(services, stalled_after, timeout)
    print_report(report, as_json)
    raise typer.Exit(report.health)


def probe_services() -> Services:
    database_url = cleaned(os.environ.get("PLUMBLINE_DATABASE_URL", ""))
    broker_url = cleaned(os.environ.get("PLUMBLINE_BROKER_URL", ""))
    if database_url and broker_url:
        return Services(database_url, broker_url)
    # pydantic-settings takes a quarter of the CPU time of a probe.
    from plumbline.redis_users import MONITOR
    from plumbline.settings import Settings

    settings = Settings.read()
    return find_services(*settings.server_urls, settings.state_dir, MONITOR)


def print_report(report: HealthReport, as_json: bool) -> None:
    if as_json:
        print_json(report_document(report))
    elif sys.stdout.isatty():
        from rich.text import Text

        from plumbline.cli.output.console import out

        style = "green" if report.health is Health.HEALTHY else "red"
        out.print(Text(one_line(report.reason), style=style), soft_wrap=True)
        for warning in report.warnings:
            out.print(Text(one_line(warning), style="yellow"), soft_wrap=True)
    else:
        for sentence in (report.reason, *report.warnings):
            typer.echo(one_line(sentence))


def report_document(report: HealthReport) -> dict[str, Any]:
    """Return the same keys in every case. Clocks are compared with PostgreSQL's."""
    clocks = report.clocks
    signs = [
        {
            "able": beat.status,
            "machine": beat.machine,
            "name": beat.name,
            "clock_ahead_s": clocks.of_sender(beat) if clocks is not None else None,
        }
        for beat in report.heartbeats
    ]
    return {
        "health": report.health.name.lower(),
        "live": report.live,
        "ready": report.ready,
        "progressing": report.health is Health.HEALTHY,
        "reason": report.reason,
        "signs": signs,
        "warnings": report.warnings,
        "clock_ahead_s": clocks.this_machine_s if clocks is not None else None,
        "redis_clock_ahead_s": clocks.redis_s if clocks is not None else None,
        "periodic_tasks": [asdict(task) for task in report.periodic_tasks],
    }
