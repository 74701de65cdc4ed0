"""`plumbline db`: the tables' version, and what is kept of old texts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from plumbline.cli.database import database
from plumbline.cli.extras import extra_needed
from plumbline.cli.output.console import Json, err, out, print_json, when
from plumbline.cli.times import seconds
from plumbline.settings import Settings

app = typer.Typer(help="The tables: their version, and how long texts are kept.")


@app.command()
def upgrade(as_json: Json = False) -> None:
    """Bring the tables to this release's version."""
    with extra_needed("Changing the tables", "worker"):
        from storage import migrate
    with database(Settings.read()) as engine:
        version = migrate.upgrade(engine)
    tell(version, as_json)


@app.command()
def check(as_json: Json = False) -> None:
    """Say whether the tables are at this release's version. Exit 1 where they are not."""
    with extra_needed("Checking the tables", "worker"):
        from storage import migrate
    with database(Settings.read()) as engine:
        version = migrate.check(engine)
    tell(version, as_json)


@app.command()
def purge(
    older_than: Annotated[str, typer.Option(help="Since they ended, as in 30d.")],
    as_json: Json = False,
) -> None:
    """Forget the texts of jobs that ended long ago. Scores, keys and the texts' hashes stay."""
    before = datetime.now(UTC) - timedelta(seconds=seconds(older_than, "--older-than"))
    purged = 0
    with database(Settings.read()) as engine:
        from storage.jobs.retention import purge_texts

        with err.status("forgetting texts ...") as spinner:
            for count in purge_texts(engine, before):
                purged += count
                spinner.update(f"forgetting texts: {purged:,} ...")
    if as_json:
        print_json({"purged": purged, "before": before})
        return
    out.print(f"{purged:,} texts of jobs that ended before {when(before)} are forgotten.")


def tell(version: str, as_json: bool) -> None:
    if as_json:
        print_json({"version": version})
        return
    out.print(f"The tables are at version {version}, as this release needs.")
