"""`plumbline models`: the versions on disk, and which of them serves."""

from __future__ import annotations

import getpass
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from plumbline.cli.console import Json, columns, err, facts, number, out, print_json, shown, when
from plumbline.cli.database import database
from plumbline.cli.extras import extra_needed
from plumbline.errors import ModelUnchanged, PlumblineError
from plumbline.settings import Settings
from scoring.errors import ArtifactInvalid, ScoringError
from scoring.manifest import Manifest
from scoring.registry import folder, resolve, versions
from storage.errors import StorageError

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from scoring.artifact import Artifact
    from storage.deployments import Deployed

MEASURES = ("accuracy", "precision", "recall", "f1", "auc")

app = typer.Typer(help="Model versions: what there is, what serves, what served before.")

Ref = Annotated[str, typer.Argument(help="NAME/VERSION, or NAME for its newest version.")]


@dataclass(frozen=True, slots=True)
class Version:
    """One version on disk; `error` says why its manifest cannot be read."""

    model: str
    folder: Path
    manifest: Manifest | None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Live:
    """What serves by the database; `error` says why that is not known."""

    model: str | None
    error: str | None = None


@app.command("list")
def list_models(as_json: Json = False) -> None:
    """List the versions on disk and say which one serves."""
    settings = Settings.read()
    found = [version(settings.models_dir, str(ref)) for ref in versions(settings.models_dir)]
    live = live_model(settings)
    if as_json:
        print_json(
            {
                "models": [summary(v) | {"live": v.model == live.model} for v in found],
                "live": live.model,
                "live_error": live.error,
            }
        )
        return
    if found:
        out.print(versions_table(found, live))
    else:
        out.print(f"There is no model in {settings.models_dir}.", markup=False, soft_wrap=True)
    if live.error is not None:
        err.print(f"Which one is live is not known. {live.error}", markup=False, soft_wrap=True)
    elif live.model is None:
        err.print("None is live yet: the first worker to start promotes PLUMBLINE_MODEL.")
    elif live.model not in [v.model for v in found]:
        err.print(f"Live is {live.model}, which is not on this machine.", markup=False)


@app.command()
def show(model: Ref, as_json: Json = False) -> None:
    """Show a version's manifest: measures, files, what it was trained on; and its deployments."""
    settings = Settings.read()
    place = resolve(settings.models_dir, model)
    manifest = Manifest.read(place)
    name = f"{manifest.name}/{manifest.version}"
    deployed = [entry for entry in deployments(settings) if entry.model == name]
    if as_json:
        print_json(asdict(manifest) | {"deployments": [asdict(entry) for entry in deployed]})
        return
    out.print(manifest_table(manifest, place))
    out.print(measures_table(manifest))
    for entry in deployed:
        out.print(
            f"Promoted {when(entry.deployed_at)} by {entry.deployed_by}: {entry.reason}",
            markup=False,
            soft_wrap=True,
        )


@app.command()
def verify(
    model: Annotated[str | None, typer.Argument(help="NAME/VERSION. Default: all.")] = None,
    as_json: Json = False,
) -> None:
    """Check every file of a version against its manifest. Exit 1 where one is not right."""
    settings = Settings.read()
    if model is None:
        places = [folder(settings.models_dir, ref) for ref in versions(settings.models_dir)]
    else:
        places = [resolve(settings.models_dir, model)]
    results = [(f"{place.parent.name}/{place.name}", fault(place)) for place in places]
    if as_json:
        print_json({"models": [{"model": m, "ok": not f, "error": f} for m, f in results]})
    else:
        for name, wrong in results:
            mark = Text("✗ ", style="red") if wrong else Text("✓ ", style="green")
            out.print(mark + Text(f"{name}: {wrong or 'every file is as its manifest says'}"))
        if not results:
            out.print(f"There is no model in {settings.models_dir}.", markup=False)
    if any(wrong for _, wrong in results):
        raise typer.Exit(1)


@app.command()
def promote(
    model: Ref,
    reason: Annotated[str, typer.Option(help="Why, for the history.")] = "none given",
    as_json: Json = False,
) -> None:
    """Make a version the one that serves, after checking every file of it."""
    settings = Settings.read()
    artifact = load(resolve(settings.models_dir, model))
    with database(settings) as engine, engine.begin() as connection:
        before = deploy(connection, artifact, reason)
    tell_promoted(artifact.name, before, as_json)


@app.command()
def rollback(
    reason: Annotated[str | None, typer.Option(help="Why, for the history.")] = None,
    as_json: Json = False,
) -> None:
    """Return to the version that served before."""
    from storage.deployments import live_model, previous_model

    settings = Settings.read()
    with database(settings) as engine, engine.begin() as connection:
        previous = previous_model(connection)
        if previous is None:
            raise ModelUnchanged(
                "No other version served before, so there is nothing to return to."
            )
        artifact = load(resolve(settings.models_dir, previous))
        before = deploy(
            connection, artifact, reason or f"rolled back from {live_model(connection)}"
        )
    tell_promoted(artifact.name, before, as_json)


def deploy(connection: Connection, artifact: Artifact, reason: str) -> str | None:
    """Promote in the caller's transaction; return what was live. Raises ModelUnchanged."""
    from storage import deployments

    before = deployments.live_model(connection)
    if before == artifact.name:
        raise ModelUnchanged(f"{artifact.name} is live already.")
    deployments.promote(
        connection,
        artifact.name,
        manifest_sha256=artifact.manifest.sha256,
        metrics=artifact.manifest.metrics,
        deployed_by=user(),
        reason=reason,
    )
    return before


def load(place: Path) -> Artifact:
    """Verify a version as a worker would; raises ScoringError."""
    with extra_needed("Checking a model", "worker"):
        from scoring.artifact import Artifact

        artifact = Artifact.load(place)
    expected = f"{place.parent.name}/{place.name}"
    if artifact.name != expected:
        raise ArtifactInvalid(f"{place} calls itself {artifact.name}; its folder must be its name.")
    artifact.profile()
    return artifact


def fault(place: Path) -> str | None:
    try:
        load(place)
    except ScoringError as error:
        return str(error)
    return None


def version(root: Path, model: str) -> Version:
    place = root / model
    try:
        return Version(model, place, Manifest.read(place))
    except ScoringError as error:
        return Version(model, place, None, str(error))


def live_model(settings: Settings) -> Live:
    try:
        with database(settings) as engine, engine.connect() as connection:
            from storage import deployments

            return Live(deployments.live_model(connection))
    except (PlumblineError, StorageError) as error:
        return Live(None, str(error))


def deployments(settings: Settings) -> list[Deployed]:
    """The history, or nothing where the database is away: a manifest can be read without it."""
    try:
        with database(settings) as engine, engine.connect() as connection:
            from storage.deployments import history

            return history(connection, limit=1_000)
    except (PlumblineError, StorageError):
        return []


def summary(version: Version) -> dict[str, Any]:
    manifest = version.manifest
    return {
        "model": version.model,
        "folder": str(version.folder),
        "created_at": manifest.created_at if manifest else None,
        "parent": manifest.parent if manifest else None,
        "bytes": size(manifest) if manifest else None,
        "metrics": manifest.metrics if manifest else None,
        "error": version.error,
    }


def size(manifest: Manifest) -> int:
    """Bytes of what serves, without what only training needs."""
    return sum(file.bytes for file in manifest.files.values())


def versions_table(found: list[Version], live: Live) -> Table:
    table = columns("model", "", "accuracy", "F1", "size", "made")
    for entry in found:
        if entry.manifest is None:
            table.add_row(entry.model, Text(entry.error or "", style="red"))
            continue
        measures = entry.manifest.metrics.get("int8", {})
        table.add_row(
            entry.model,
            Text("live", style="green") if entry.model == live.model else "",
            number(measures.get("accuracy"), 4),
            number(measures.get("f1"), 4),
            f"{size(entry.manifest) / 1e6:.1f} MB",
            entry.manifest.created_at[:10],
        )
    return table


def manifest_table(manifest: Manifest, place: Path) -> Table:
    table = facts(f"{manifest.name}/{manifest.version}")
    table.add_row("folder", Text(str(place)))
    table.add_row("made", f"{manifest.created_at} by plumbline {manifest.code_version}")
    table.add_row("parent", manifest.parent or "none")
    for name, value in manifest.data.items():
        table.add_row(f"data: {name}", shown(str(value), 80))
    for name, file in manifest.files.items():
        here = "" if (place / name).is_file() else ", missing"
        table.add_row(Text(name), f"{file.bytes:,} bytes{here}")
    for_training = manifest.training_files
    if for_training:
        megabytes = sum(file.bytes for file in for_training.values()) / 1e6
        here = "" if all((place / name).is_file() for name in for_training) else ", not here"
        table.add_row("for training", f"{len(for_training)} files, {megabytes:.1f} MB{here}")
    table.add_row("manifest", manifest.sha256)
    return table


def measures_table(manifest: Manifest) -> Table:
    sides = [name for name in ("int8", "float32", "validation") if name in manifest.metrics]
    table = columns("", *sides)
    for measure in MEASURES:
        values = [number(manifest.metrics[side].get(measure), 4) for side in sides]
        table.add_row(measure, *values)
    return table


def tell_promoted(model: str, before: str | None, as_json: bool) -> None:
    if as_json:
        print_json({"live": model, "before": before})
        return
    out.print(f"Live is now {model}; before it was {before or 'none'}.", markup=False)
    err.print("Workers change over before their next message.")


def user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        # A container's user need not have a name.
        return f"user {os.getuid()}"
