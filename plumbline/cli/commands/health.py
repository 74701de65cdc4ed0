"""`plumbline health`: alive, ready and getting on, told apart by the exit code."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer
from rich.text import Text

from plumbline.cli.output.console import Json, out, print_json
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
    as_json: Json = False,
) -> None:
    """Tell whether it is alive, ready and getting on. For probes.

    Exit 0: it is. 3: not alive, a server, every worker or beat is away. 4: alive but not ready, no
    worker has its model or the tables are not there. 5: ready, but texts wait and none is scored.
    """
    from plumbline.health import Health, examine, examine_here

    settings = connected(Settings.read())
    assert settings.database_url is not None and settings.broker_url is not None
    broker_url = settings.broker_url.get_secret_value()
    if here:
        found = examine_here(broker_url)
    else:
        found = examine(settings.database_url.get_secret_value(), broker_url, stalled_after)
    if as_json:
        print_json(
            {
                "health": found.health.name.lower(),
                "live": found.live,
                "ready": found.ready,
                "progressing": found.health is Health.HEALTHY,
                "reason": found.reason,
                "signs": [asdict(sign) for sign in found.signs],
            }
        )
    else:
        good = found.health is Health.HEALTHY
        out.print(Text(found.reason, style="green" if good else "red"), soft_wrap=True)
    raise typer.Exit(found.health)
