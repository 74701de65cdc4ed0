"""`plumbline health`: whether the system is live, ready and making progress, as an exit code.

A probe runs this every few seconds, so it imports only what it needs: Rich only for a terminal,
typer only for what `parse` leaves to it, and the settings only if the environment does not name
both servers.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from plumbline.cli.output.json_output import print_json
from plumbline.health import TIMEOUT_S, Health, HealthReport, check, check_this_machine
from plumbline_client.services import Services, find_services
from plumbline_client.url_syntax import cleaned
from plumbline_client.visible import one_line

STALLED_AFTER_S = 60.0
SHORTEST_STALL_S = 1.0
SHORTEST_TIMEOUT_S = 0.5


@dataclass(slots=True)
class ProbeOptions:
    """The options of `plumbline health`."""

    here: bool = False
    stalled_after_s: float = STALLED_AFTER_S
    timeout_s: float = TIMEOUT_S
    as_json: bool = False


def parse(arguments: Sequence[str]) -> ProbeOptions | None:
    """Return the options of `plumbline health`.

    Returns None for what typer has to read: a mistake, `--help`, `--timeout=5`.
    """
    options, remaining = ProbeOptions(), iter(arguments)
    try:
        for argument in remaining:
            if argument == "--here":
                options.here = True
            elif argument == "--json":
                options.as_json = True
            elif argument == "--stalled-after":
                options.stalled_after_s = _at_least(SHORTEST_STALL_S, next(remaining, ""))
            elif argument == "--timeout":
                options.timeout_s = _at_least(SHORTEST_TIMEOUT_S, next(remaining, ""))
            else:
                return None
    except ValueError:
        return None
    return options


def _at_least(minimum: float, text: str) -> float:
    value = float(text)
    if not value >= minimum:
        raise ValueError(text)
    return value


def report_health(options: ProbeOptions) -> Health:
    """Check, print the report, and return the exit code."""
    services = probe_services()
    if options.here:
        report = check_this_machine(services.broker_url, options.timeout_s)
    else:
        report = check(services, options.stalled_after_s, options.timeout_s)
    print_report(report, options.as_json)
    return report.health


def probe_services() -> Services:
    database_url = cleaned(os.environ.get("PLUMBLINE_DATABASE_URL", ""))
    broker_url = cleaned(os.environ.get("PLUMBLINE_BROKER_URL", ""))
    if database_url and broker_url:
        return Services(database_url, broker_url)
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
            sys.stdout.write(f"{one_line(sentence)}\n")


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
