"""`plumbline models`: the versions on disk, and which of them serve."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from plumbline.cli.commands.serving import Ref, canary, load, promote, rollback, shadow
from plumbline.cli.database import database
from plumbline.cli.output.console import (
    Json,
    columns,
    err,
    facts,
    number,
    out,
    percent,
    print_json,
    shown,
    when,
)
from plumbline.cli.output.gate_results import gates_table, verdict
from plumbline.settings import Settings
from plumbline_client.errors import PlumblineError, StorageError
from scoring.artifact.manifest import Manifest
from scoring.artifact.registry import folder, resolve, versions
from scoring.errors import ScoringError

if TYPE_CHECKING:
    from storage.serving.deployments import DeploymentRecord, Serving

MEASURES = ("accuracy", "precision", "recall", "f1", "auc")

app = typer.Typer(help="Model versions: what there is, what serves, what served before.")


@dataclass(frozen=True, slots=True)
class Version:
    """One version on disk; `error` says why its manifest cannot be read."""

    model: str
    folder: Path
    manifest: Manifest | None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Known:
    """What serves by the database; `error` says why that is not known."""

    serving: Serving | None
    error: str | None = None

    def document(self) -> dict[str, Any]:
        """Every key is always there; null is what is not so or not known."""
        found = self.serving
        return {
            "live": found.live if found else None,
            "shadow": found.shadow if found else None,
            "canary": found.canary if found else None,
            "canary_share": found.canary_share if found and found.canary else None,
            "live_error": self.error,
        }


@app.command("list")
def list_models(as_json: Json = False) -> None:
    """List the versions on disk and say which of them serve."""
    settings = Settings.read()
    found = [version(settings.models_dir, str(ref)) for ref in versions(settings.models_dir)]
    known = what_serves(settings)
    if as_json:
        serves = known.document()
        models = [
            summary(v) | {role: v.model == serves[role] for role in ("live", "shadow", "canary")}
            for v in found
        ]
        print_json({"models": models} | serves)
        return
    if found:
        out.print(versions_table(found, known.serving))
    else:
        out.print(f"There is no model in {settings.models_dir}.", markup=False, soft_wrap=True)
    if known.error is not None:
        err.print(f"Which one is live is not known. {known.error}", markup=False, soft_wrap=True)
    elif known.serving is None:
        err.print("None is live yet: the first worker to start promotes PLUMBLINE_MODEL.")
    else:
        tell_absent(known.serving, {v.model for v in found})


def tell_absent(serving: Serving, there: set[str]) -> None:
    for role in ("live", "shadow", "canary"):
        model = getattr(serving, role)
        if model is not None and model not in there:
            err.print(
                f"{role.capitalize()} is {model}, which is not on this machine.", markup=False
            )


@app.command()
def show(model: Ref, as_json: Json = False) -> None:
    """Show a version's manifest: measures, gates, files, data; and its deployments."""
    settings = Settings.read()
    place = resolve(settings.models_dir, model)
    manifest = Manifest.read(place)
    name = f"{manifest.name}/{manifest.version}"
    deployed = [entry for entry in deployments(settings) if put_in_place(entry) == name]
    if as_json:
        print_json(asdict(manifest) | {"deployments": [asdict(entry) for entry in deployed]})
        return
    out.print(manifest_table(manifest, place))
    out.print(measures_table(manifest))
    if manifest.gates:
        out.print(gates_table(manifest))
    else:
        out.print("It was never held against gates.")
    for entry in deployed:
        out.print(history_line(entry), markup=False, soft_wrap=True)


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
    results = [(f"{place.parent.name}/{place.name}", invalid_reason(place)) for place in places]
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


def invalid_reason(place: Path) -> str | None:
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


def what_serves(settings: Settings) -> Known:
    try:
        with database(settings) as engine, engine.connect() as connection:
            from storage.serving import deployments

            return Known(deployments.serving(connection))
    except (PlumblineError, StorageError) as error:
        return Known(None, str(error))


def deployments(settings: Settings) -> list[DeploymentRecord]:
    """The history, or nothing where the database is away: a manifest can be read without it."""
    try:
        with database(settings) as engine, engine.connect() as connection:
            from storage.serving.deployments import history

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
        "gates": verdict(manifest) if manifest else None,
        "error": version.error,
    }


def size(manifest: Manifest) -> int:
    """Bytes of what serves, without what only training needs."""
    return sum(file.bytes for file in manifest.files.values())


def versions_table(found: list[Version], serving: Serving | None) -> Table:
    table = columns("model", "", "accuracy", "F1", "gates", "size", "made")
    for entry in found:
        if entry.manifest is None:
            table.add_row(entry.model, Text(entry.error or "", style="red"))
            continue
        measures = entry.manifest.metrics.get("int8", {})
        table.add_row(
            entry.model,
            Text(roles(entry.model, serving), style="green"),
            number(measures.get("accuracy"), 4),
            number(measures.get("f1"), 4),
            verdict(entry.manifest).shown(),
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


def roles(model: str, serving: Serving | None) -> str:
    """What a version does now; a canary may be the shadow of the other jobs."""
    if serving is None:
        return ""
    canary = f"canary {percent(serving.canary_share)}"
    does = {"live": serving.live, "shadow": serving.shadow, canary: serving.canary}
    return ", ".join(role for role, who in does.items() if who == model)


def put_in_place(entry: DeploymentRecord) -> str | None:
    """The version that a deployment gave something to do; None where it took something away."""
    return {"shadow": entry.shadow, "canary": entry.canary}.get(entry.action, entry.model)


def history_line(entry: DeploymentRecord) -> str:
    done = {"rollback": "Returned to", "shadow": "Shadow", "canary": "Canary"}.get(
        entry.action, "Promoted"
    )
    if entry.action == "canary" and entry.canary_share is not None:
        done += f" for {percent(entry.canary_share)} of jobs"
    forced = " in spite of its gates" if entry.forced else ""
    return f"{done} {when(entry.deployed_at)} by {entry.deployed_by}{forced}: {entry.reason}"


for command in (promote, rollback, shadow, canary):
    app.command()(command)
