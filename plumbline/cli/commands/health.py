"""`plumbline health`: alive, ready and getting on, told apart by the exit code."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.text import Text

from plumbline.cli.output.console import JsonOption, out, print_json
from plumbline.services import connected
from plumbline.settings import Settings

STALLED_AFTER_S = 60.0


def health(
    here: Annotated[
        bool, typer.Option("--here", help="Only this machine's processes; asks Redis alone.")
    ] = False,
    stalled_after: Annotated[
        float, typer.Option(min=1.0, help="Seconds texts may wait with none being scored.")
    ] = STALLED_AFTER_S,
    as_json: JsonOption = False,
) -> None:
    """Tell whether it is alive, ready and getting on. For probes.

    Exit 0: it is. 3: not alive, a server, every worker or beat is away. 4: alive but not ready, no
    worker has its model or the tables are not there. 5: ready, but texts wait and none is scored.
    """
    from plumbline.health import Health, check, check_this_machine

    services = connected(Settings.read())
    broker_url = services.broker_url
    report = check_this_machine(broker_url) if here else check(services, stalled_after)
    if as_json:
        print_json(
            {
                "health": report.health.name.lower(),
                "live": report.live,
                "ready": report.ready,
                "progressing": report.health is Health.HEALTHY,
                "reason": report.reason,
                "signs": [
                    {"able": sender.status, "machine": sender.machine, "name": sender.name}
                    for sender in report.heartbeats
                ],
            }
        )
    else:
        good = report.health is Health.HEALTHY
        out.print(Text(report.reason, style="green" if good else "red"), soft_wrap=True)
    raise typer.Exit(report.health)
