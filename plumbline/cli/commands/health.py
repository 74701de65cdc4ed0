"""`plumbline health` for typer, which reads what `plumbline.cli.probe.parse` does not."""

from __future__ import annotations

from typing import Annotated

import typer

from plumbline.cli.json_option import JsonOption
from plumbline.cli.probe import (
    SHORTEST_STALL_S,
    SHORTEST_TIMEOUT_S,
    STALLED_AFTER_S,
    ProbeOptions,
    report_health,
)
from plumbline.health import TIMEOUT_S


def health(
    here: Annotated[
        bool,
        typer.Option("--here", help="Check only this machine's processes, through Redis alone."),
    ] = False,
    stalled_after: Annotated[
        float,
        typer.Option(
            min=SHORTEST_STALL_S, help="Seconds that texts may be queued while none is scored."
        ),
    ] = STALLED_AFTER_S,
    timeout: Annotated[
        float,
        typer.Option(
            min=SHORTEST_TIMEOUT_S, help="Seconds after which a silent server counts as down."
        ),
    ] = TIMEOUT_S,
    as_json: JsonOption = False,
) -> None:
    """Report whether the system is live, ready and making progress. For probes.

    Exit 0: all three. 3: not live; a server, every worker or beat is down. 4: live but not ready;
    no worker has loaded its model, or the tables do not exist. 5: ready, but texts are queued and
    none is scored, or no sweep was completed for 5 minutes. Clocks that differ from PostgreSQL's
    and missing sweeps are printed as well, and change no exit code.
    """
    raise typer.Exit(report_health(ProbeOptions(here, stalled_after, timeout, as_json)))
