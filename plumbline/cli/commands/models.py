"""`plumbline models`: the versions on disk, which of them serve, and which served before."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from plumbline.cli.commands.backtest import backtest
from plumbline.cli.commands.serving import (
    ModelArgument,
    canary,
    load_verified,
    promote,
    rollback,
    shadow,
)
from plumbline.cli.commands.signing import keygen, sign
from plumbline.cli.database import database
from plumbline.cli.json_option import JsonOption
from plumbline.cli.output.console import (
    column_table,
    err,
    format_number,
    format_percent,
    format_time,
    out,
    printable_text,
    property_table,
)
from plumbline.cli.output.gate_results import gates_table, version_status
from plumbline.cli.output.json_output import print_json
from plumbline.cli.trust import known_trust
from plumbline.services import connected
from plumbline.settings import Settings
from plumbline.shipped import (
    INSTALL_COMMAND,
    install_shipped,
    resolve_model,
    shipped_model,
)
from plumbline_client.errors import PlumblineError
from plumbline_client.visible import one_line
from scoring.artifact.manifest import Manifest
from scoring.artifact.registry import folder, model_name, versions
from scoring.errors import ScoringError
from storage.serving import deployments
from storage.serving.deployments import DeploymentRecord, Serving

METRICS = ("accuracy", "precision", "recall", "f1", "auc")
ROLES = ("live", "shadow", "canary")
MAX_HISTORY = 1_000

app = typer.Typer(help="Model versions: which exist, which serve, which served before.")


@dataclass(frozen=True, slots=True)
class DiskVersion:
    """A version on disk; `error` is set if its manifest cannot be read."""

    model: str
    folder: Path
    manifest: Manifest | None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class ServingStatus:
    """What serves according to the database; `error` is set if that is unknown."""

    serving: Serving | None
    error: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return all keys; a value is null if nothing has that role or if it is unknown."""
        serving = self.serving
        return {
            "live": serving.live if serving else None,
            "shadow": serving.shadow if serving else None,
            "canary": serving.canary if serving else None,
            "canary_share": serving.canary_share if serving and serving.canary else None,
            "live_error": self.error,
        }


@app.command("list")
def list_models(as_json: JsonOption = False) -> None:
    """List the versions on disk and their roles."""
    settings = Settings.read()
    on_disk = [read_version(settings.models_dir, str(ref)) for ref in versions(settings.models_dir)]
    status = read_serving(settings)
    if as_json:
        roles = status.to_json()
        models = [
            version_to_json(version) | {role: version.model == roles[role] for role in ROLES}
            for version in on_disk
        ]
        print_json({"models": models} | roles)
        return
    if on_disk:
        out.print(versions_table(on_disk, status.serving))
    else:
        print_no_models(settings.models_dir)
    if status.error is not None:
        err.print(f"The live version is unknown. {status.error}", markup=False, soft_wrap=True)
    elif status.serving is None:
        err.print("No version is live yet; the first worker to start promotes PLUMBLINE_MODEL.")
    else:
        print_missing_versions(status.serving, {version.model for version in on_disk})


@app.command()
def show(model: ModelArgument, as_json: JsonOption = False) -> None:
    """Show a version's manifest (metrics, gates, files, data) and its deployments."""
    settings = Settings.read()
    path = resolve_model(settings.models_dir, model)
    manifest = Manifest.read(path)
    name = f"{manifest.name}/{manifest.version}"
    history = [entry for entry in read_history(settings) if deployed_version(entry) == name]
    if as_json:
        print_json(asdict(manifest) | {"deployments": [asdict(entry) for entry in history]})
        return
    out.print(manifest_table(manifest, path))
    out.print(metrics_table(manifest))
    if manifest.gates:
        out.print(gates_table(manifest))
    else:
        out.print("It was never measured against gates.")
    for entry in history:
        out.print(history_line(entry), markup=False, soft_wrap=True)


@app.command()
def verify(
    model: Annotated[str | None, typer.Argument(help="NAME/VERSION. Default: all.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Check every file of a version against its manifest, and that against what is registered.

    Exit 1 if one does not match.
    """
    settings = Settings.read()
    if model is None:
        paths = [folder(settings.models_dir, ref) for ref in versions(settings.models_dir)]
    else:
        paths = [resolve_model(settings.models_dir, model)]
    results = [(model_name(path), verification_error(path, settings)) for path in paths]
    if as_json:
        models = [{"model": name, "ok": not error, "error": error} for name, error in results]
        print_json({"models": models})
    else:
        for name, error in results:
            mark = Text("✗ ", style="red") if error else Text("✓ ", style="green")
            out.print(
                mark + Text(one_line(f"{name}: {error or 'every file matches its manifest'}"))
            )
        if not results:
            print_no_models(settings.models_dir)
    if any(error for _, error in results):
        raise typer.Exit(1)


@app.command("install-shipped")
def install_shipped_model(as_json: JsonOption = False) -> None:
    """Copy the model version that Plumbline ships into the models folder; never overwrite one."""
    path = install_shipped(Settings.read().models_dir)
    if as_json:
        print_json({"model": model_name(path), "folder": str(path)})
    else:
        out.print(f"Installed {model_name(path)} in {path}.", markup=False, soft_wrap=True)


def verification_error(path: Path, settings: Settings) -> str | None:
    trust = known_trust(settings, model_name(path))
    try:
        load_verified(path, trust.public_key, trust.sha256)
    except ScoringError as error:
        return str(error)
    return None


def read_version(models_dir: Path, model: str) -> DiskVersion:
    path = models_dir / model
    try:
        return DiskVersion(model, path, Manifest.read(path))
    except ScoringError as error:
        return DiskVersion(model, path, None, str(error))


def read_serving(settings: Settings) -> ServingStatus:
    try:
        with database(connected(settings)) as engine, engine.connect() as connection:
            return ServingStatus(deployments.serving(connection))
    except PlumblineError as error:
        return ServingStatus(None, str(error))


def read_history(settings: Settings) -> list[DeploymentRecord]:
    """Return the newest deployments first, or none if the database cannot be read.

    The manifest, which needs no database, is shown in any case.
    """
    try:
        with database(connected(settings)) as engine, engine.connect() as connection:
            return deployments.history(connection, MAX_HISTORY)
    except PlumblineError:
        return []


def version_to_json(version: DiskVersion) -> dict[str, Any]:
    manifest = version.manifest
    return {
        "model": version.model,
        "folder": str(version.folder),
        "created_at": manifest.created_at if manifest else None,
        "parent": manifest.parent if manifest else None,
        "bytes": serving_bytes(manifest) if manifest else None,
        "metrics": manifest.metrics if manifest else None,
        "gates": version_status(manifest) if manifest else None,
        "error": version.error,
    }


def serving_bytes(manifest: Manifest) -> int:
    """Return the size of the files that a worker needs, without those for training."""
    return sum(file.bytes for file in manifest.files.values())


def print_no_models(models_dir: Path) -> None:
    hint = "" if shipped_model() is None else f"; `{INSTALL_COMMAND}` installs the shipped one"
    out.print(f"There is no model in {models_dir}{hint}.", markup=False, soft_wrap=True)


def print_missing_versions(serving: Serving, on_disk: set[str]) -> None:
    for role in ROLES:
        model = getattr(serving, role)
        if model is not None and model not in on_disk:
            err.print(
                f"{role.capitalize()} is {model}, which is not on this machine.", markup=False
            )


def versions_table(on_disk: list[DiskVersion], serving: Serving | None) -> Table:
    table = column_table("model", "", "accuracy", "F1", "gates", "size", "created")
    for version in on_disk:
        manifest = version.manifest
        if manifest is None:
            table.add_row(version.model, Text(one_line(version.error or ""), style="red"))
            continue
        metrics = manifest.metrics.get("int8", {})
        table.add_row(
            version.model,
            Text(format_roles(version.model, serving), style="green"),
            format_number(metrics.get("accuracy"), 4),
            format_number(metrics.get("f1"), 4),
            version_status(manifest).colored(),
            f"{serving_bytes(manifest) / 1e6:.1f} MB",
            manifest.created_at[:10],
        )
    return table


def manifest_table(manifest: Manifest, path: Path) -> Table:
    table = property_table(f"{manifest.name}/{manifest.version}")
    table.add_row("folder", str(path))
    table.add_row("created", f"{manifest.created_at} by plumbline {manifest.code_version}")
    table.add_row("parent", manifest.parent or "none")
    for name, value in manifest.data.items():
        table.add_row(f"data: {name}", printable_text(str(value), 80))
    for name, file in manifest.files.items():
        note = "" if (path / name).is_file() else ", missing"
        table.add_row(name, f"{file.bytes:,} bytes{note}")
    training_files = manifest.training_files
    if training_files:
        megabytes = sum(file.bytes for file in training_files.values()) / 1e6
        present = all((path / name).is_file() for name in training_files)
        note = "" if present else ", not on this machine"
        table.add_row("for training", f"{len(training_files)} files, {megabytes:.1f} MB{note}")
    table.add_row("manifest", manifest.sha256)
    return table


def metrics_table(manifest: Manifest) -> Table:
    sides = [name for name in ("int8", "float32", "validation") if name in manifest.metrics]
    table = column_table("", *sides)
    for metric in METRICS:
        values = [format_number(manifest.metrics[side].get(metric), 4) for side in sides]
        table.add_row(metric, *values)
    return table


def format_roles(model: str, serving: Serving | None) -> str:
    """Return a version's current roles; a canary may be the shadow of the other jobs."""
    if serving is None:
        return ""
    canary = f"canary {format_percent(serving.canary_share)}"
    roles = {"live": serving.live, "shadow": serving.shadow, canary: serving.canary}
    return ", ".join(role for role, version in roles.items() if version == model)


def deployed_version(entry: DeploymentRecord) -> str | None:
    """Return the version to which a deployment gave a role; None if it removed one."""
    return {"shadow": entry.shadow, "canary": entry.canary}.get(entry.action, entry.model)


def history_line(entry: DeploymentRecord) -> str:
    change = {"rollback": "Returned to", "shadow": "Shadow", "canary": "Canary"}.get(
        entry.action, "Promoted"
    )
    if entry.action == "canary" and entry.canary_share is not None:
        change += f" for {format_percent(entry.canary_share)} of jobs"
    forced = " despite its gates" if entry.forced else ""
    at = format_time(entry.deployed_at)
    return f"{change} {at} by {entry.deployed_by}{forced}: {entry.reason}"


for command in (backtest, promote, rollback, shadow, canary, keygen, sign):
    app.command()(command)
