"""Wait until submitted jobs have ended, and print their results."""

from __future__ import annotations

import time
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict

from plumbline.cli.output.console import colored_text, err, out
from plumbline.cli.output.json_output import print_json
from plumbline.cli.output.progress import progress_bar
from plumbline.cli.output.results_table import results_table
from plumbline_client import Client, Result
from plumbline_client.pause import pause
from plumbline_client.states import TERMINAL

PRINTED_RESULTS = 20
POLL_S = 0.1
POLLED_IDS = 500
# How long no job may end before a notice is printed.
QUIET_S = 15.0


def wait_for_jobs(client: Client, ids: Sequence[uuid.UUID], as_json: bool) -> dict[str, int]:
    """Return how many jobs ended with each decision or state.

    Prints the results as JSON lines while they arrive, or at the end a table of the first ones.
    """
    ended: Counter[str] = Counter()
    first: list[Result] = []
    with progress_bar() as bar:
        task = bar.add_task("waiting", total=len(ids), rate="")
        for results in ended_results(client, ids):
            for result in results:
                ended[result.decision or result.state] += 1
                if as_json:
                    print_json({"kind": "result", **asdict(result)})
            first += results[: PRINTED_RESULTS - len(first)]
            bar.update(task, completed=ended.total(), rate=f"{ended.total():,} of {len(ids):,}")
    if ids and not as_json:
        print_results(ids, first, ended)
    return dict(ended)


def print_results(ids: Sequence[uuid.UUID], first: list[Result], ended: Counter[str]) -> None:
    order = {job_id: position for position, job_id in enumerate(ids)}
    out.print(results_table(sorted(first, key=lambda result: order[result.job_id])))
    if len(ids) > len(first):
        out.print(f"... the first {len(first)} of {len(ids):,} results. In total:")
        for name, count in ended.most_common():
            out.print(f"  {count:>9,} ", colored_text(name))


def ended_results(client: Client, ids: Sequence[uuid.UUID]) -> Iterator[list[Result]]:
    """Yield the results of jobs as they end. Prints a notice once if none ends for a while."""
    waiting = list(dict.fromkeys(ids))
    quiet_since: float | None = time.monotonic()
    while waiting:
        polled = client.results(ids=waiting[:POLLED_IDS], limit=None)
        ended = {result.job_id: result for result in polled if result.state in TERMINAL}
        if ended:
            waiting = [i for i in waiting[:POLLED_IDS] if i not in ended] + waiting[POLLED_IDS:]
            quiet_since = time.monotonic() if quiet_since is not None else None
            yield list(ended.values())
            continue
        if quiet_since is not None and time.monotonic() - quiet_since > QUIET_S:
            err.print(
                f"No job has ended for {QUIET_S:g} s; `plumbline status` shows the running workers."
            )
            quiet_since = None
        pause(POLL_S)
