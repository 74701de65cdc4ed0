"""`plumbline health`: whether the system is live, ready and making progress, as an exit code.

A probe runs this every few seconds, so it imports only what it needs: Rich only for a terminal, and
the settings only if the environment does not name both servers.
"""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from plumbline.cli.output.json_output import JsonOption, print_json
from plumbline.health import Health, HealthReport, check, check_this_machine
from plumbline_client.services import Services, find_services

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
    as_json: JsonOption = False,
) -> None:
    """Report whether the system is live, ready and making progress. For probes.

    Exit 0: all three. 3: not live; a server, every worker or beat is down. 4: live but not ready;
    no worker has loaded its model, or the tables do not exist. 5: ready, but texts are queued and
    none is scored.
    """
    services = probe_services()
    report = check_this_machine(services.broker_url) if here else check(services, stalled_after)
    print_report(report, as_json)
    raise typer.Exit(report.health)


def probe_services() -> Services:
    database_url = os.environ.get("PLUMBLINE_DATABASE_URL")
    broker_url = os.environ.get("PLUMBLINE_BROKER_URL")
    if database_url and broker_url:
        return Services(database_url, broker_url)
    # pydantic-settings takes a quarter of the CPU time of a probe.
    from plumbline.settings import Settings

    settings = Settings.read()
    return find_services(*settings.server_urls, settings.state_dir)


def print_report(report: HealthReport, as_json: bool) -> None:
    healthy = report.health is Health.HEALTHY
    if as_json:
        signs = [
            {"able": beat.status, "machine": beat.machine, "name": beat.name}
            for beat in report.heartbeats
        ]
        print_json(
            {
                "health": report.health.name.lower(),
                "live": report.live,
                "ready": report.ready,
                "progressing": healthy,
                "reason": report.reason,
                "signs": signs,
            }
        )
    elif sys.stdout.isatty():
        from rich.text import Text

        from plumbline.cli.output.console import out

        out.print(Text(report.reason, style="green" if healthy else "red"), soft_wrap=True)
    else:
        typer.echo(report.reason)
