"""`plumbline models promote, rollback, shadow, canary`: what changes which versions serve."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from plumbline.cli.database import database
from plumbline.cli.extras import extra_needed
from plumbline.cli.output.console import Json, err, out, percent, print_json
from plumbline.cli.output.gate_results import refuse
from plumbline.cli.trial import try_out
from plumbline.cli.user import user
from plumbline.errors import ModelUnchanged, OptionInvalid
from plumbline.settings import Settings
from scoring.artifact.gates import failed_gates
from scoring.artifact.registry import resolve
from scoring.errors import ArtifactInvalid

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from scoring.artifact.artifact import Artifact
    from storage.serving.deployments import Serving

Ref = Annotated[str, typer.Argument(help="NAME/VERSION, or NAME for its newest version.")]
OptionalRef = Annotated[
    str | None, typer.Argument(help="NAME/VERSION, or NAME for its newest version.")
]
Reason = Annotated[str, typer.Option(help="Why, for the history.")]
Force = Annotated[bool, typer.Option("--force", help="Though it failed its gates, or has none.")]
Off = Annotated[bool, typer.Option("--off", help="Have none.")]


def promote(
    model: Ref, reason: Reason = "none given", force: Force = False, as_json: Json = False
) -> None:
    """Make a version the one that answers, if it passed its gates and scores a text.

    A shadow and a canary end with it.
    """
    from storage.serving import deployments

    settings = Settings.read()
    artifact = load(resolve(settings.models_dir, model))
    failed = failed_gates(artifact.manifest)
    with database(settings) as engine:
        with engine.connect() as connection:
            refuse_live(connection, artifact)
        if failed and not force:
            raise refuse(artifact.name, failed)
        try_out(artifact.name, artifact.folder)
        with engine.begin() as connection:
            deployments.lock_deployments(connection)
            before = refuse_live(connection, artifact)
            deployments.promote(
                connection,
                artifact.name,
                manifest_sha256=artifact.manifest.sha256,
                metrics=artifact.manifest.metrics,
                labels=artifact.config.labels,
                deployed_by=user(),
                reason=reason,
                forced=bool(failed),
            )
    tell_live(artifact.name, before, as_json, failed)


def rollback(
    reason: Annotated[str | None, typer.Option(help="Why, for the history.")] = None,
    as_json: Json = False,
) -> None:
    """Return to the version that served before; again, and to the one before that.

    It served, so its gates are not asked again. A shadow and a canary end with it.
    """
    from storage.serving import deployments

    settings = Settings.read()
    with database(settings) as engine, engine.begin() as connection:
        deployments.lock_deployments(connection)
        before = deployments.serving(connection)
        previous = deployments.previous_model(connection)
        if before is None or previous is None:
            raise ModelUnchanged(
                "No other version served before, so there is nothing to return to."
            )
        artifact = load(resolve(settings.models_dir, previous))
        register(connection, artifact)
        reason = reason or f"rolled back from {before.live}"
        deployments.roll_back(connection, deployed_by=user(), reason=reason)
    tell_live(artifact.name, before, as_json)


def shadow(
    model: OptionalRef = None,
    off: Off = False,
    reason: Reason = "none given",
    as_json: Json = False,
) -> None:
    """Have a version score beside what answers, to be compared; it never answers itself."""
    from storage.serving import deployments

    settings = Settings.read()
    artifact = named(settings, model, off)
    name = artifact.name if artifact else None
    with database(settings) as engine:
        with engine.connect() as connection:
            to_change(connection, name, "shadow")
        if artifact is not None:
            try_out(artifact.name, artifact.folder)
        with engine.begin() as connection:
            before = to_change(connection, name, "shadow")
            if before.shadow == name:
                raise ModelUnchanged(f"The shadow is {name or 'off'} already.")
            register(connection, artifact)
            deployments.set_shadow(connection, name, deployed_by=user(), reason=reason)
    if as_json:
        print_json({"live": before.live, "shadow": name, "before": before.shadow})
    else:
        tell_beside("shadow", name, before.shadow)


def canary(
    model: OptionalRef = None,
    share: Annotated[
        float | None, typer.Option(help="What share of jobs it answers, between 0 and 1.")
    ] = None,
    off: Off = False,
    reason: Reason = "none given",
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Have a version answer a share of jobs, if it passed its gates and scores a text."""
    from storage.serving import deployments

    check_share(share, off)
    settings = Settings.read()
    artifact = named(settings, model, off)
    name = artifact.name if artifact else None
    failed = failed_gates(artifact.manifest) if artifact else ()
    with database(settings) as engine:
        with engine.connect() as connection:
            to_change(connection, name, "canary")
        if artifact is not None:
            if failed and not force:
                raise refuse(artifact.name, failed)
            try_out(artifact.name, artifact.folder)
        with engine.begin() as connection:
            before = to_change(connection, name, "canary")
            if (before.canary, before.canary_share) == (name, share or 0.0):
                raise ModelUnchanged(f"The canary is {canary_text(before) or 'off'} already.")
            register(connection, artifact)
            deployments.set_canary(
                connection, name, share, deployed_by=user(), reason=reason, forced=bool(failed)
            )
    if as_json:
        told = {"live": before.live, "canary": name, "canary_share": share}
        print_json(told | {"before": before.canary, "forced": bool(failed)})
        return
    now = f"{name}, for {percent(share)} of jobs" if name and share else None
    tell_beside("canary", now, canary_text(before))
    tell_forced(failed)


def check_share(share: float | None, off: bool) -> None:
    if off and share is not None:
        raise OptionInvalid("--off has no --share.")
    if not off and share is None:
        raise OptionInvalid("Say what share of jobs it answers, as in --share 0.1.")
    # Written so that NaN is refused too.
    if share is not None and not 0.0 < share < 1.0:
        raise OptionInvalid(
            f"--share is {share:g}, and must lie between 0 and 1; for all jobs there is "
            "`plumbline models promote`."
        )


def named(settings: Settings, model: str | None, off: bool) -> Artifact | None:
    """The version that was named, verified; None for --off."""
    if off == (model is not None):
        raise OptionInvalid("Name either a version or --off.")
    return load(resolve(settings.models_dir, model)) if model is not None else None


def to_change(connection: Connection, model: str | None, role: str) -> Serving:
    """What serves, until the end of the transaction; raises ModelUnchanged where `model` cannot
    have this role beside it.
    """
    from storage.serving import deployments

    deployments.lock_deployments(connection)
    found = deployments.serving(connection)
    if found is None:
        raise ModelUnchanged(
            f"Nothing is live yet, so there is nothing a {role} could stand beside; promote a "
            "version or start a worker first."
        )
    if model == found.live:
        raise ModelUnchanged(f"{model} is live, and a {role} is another version.")
    return found


def refuse_live(connection: Connection, artifact: Artifact) -> Serving | None:
    """Return what serves; raises ModelUnchanged where this version is live."""
    from storage.serving import deployments

    found = deployments.serving(connection)
    if found is not None and found.live == artifact.name:
        raise ModelUnchanged(f"{artifact.name} is live already.")
    return found


def register(connection: Connection, artifact: Artifact | None) -> None:
    from storage.serving import deployments

    if artifact is None:
        return
    deployments.register(
        connection,
        artifact.name,
        manifest_sha256=artifact.manifest.sha256,
        metrics=artifact.manifest.metrics,
        labels=artifact.config.labels,
    )


def load(place: Path) -> Artifact:
    """Verify a version as a worker would; raises ScoringError."""
    with extra_needed("Checking a model", "worker"):
        from scoring.artifact.artifact import Artifact

        artifact = Artifact.load(place)
    expected = f"{place.parent.name}/{place.name}"
    if artifact.name != expected:
        raise ArtifactInvalid(f"{place} calls itself {artifact.name}; its folder must be its name.")
    artifact.profile()
    return artifact


def canary_text(found: Serving) -> str | None:
    return f"{found.canary}, for {percent(found.canary_share)} of jobs" if found.canary else None


def tell_live(
    model: str, before: Serving | None, as_json: bool, failed: Sequence[str] = ()
) -> None:
    """`failed` are the sentences of gates in spite of which it serves."""
    live = before.live if before else None
    if as_json:
        print_json({"live": model, "before": live, "forced": bool(failed)})
        return
    said = [f"Live is now {model}; before it was {live or 'none'}."]
    if before is not None and before.canary is not None:
        said.append(f"The canary is off; it was {canary_text(before)}.")
    if before is not None and before.shadow is not None:
        said.append(f"The shadow is off; it was {before.shadow}.")
    for sentence in said:
        out.print(sentence, markup=False, soft_wrap=True)
    tell_forced(failed)
    err.print("Workers change over before their next message.")


def tell_beside(role: str, now: str | None, before: str | None) -> None:
    sentence = f"The {role} is now {now or 'off'}; before it was {before or 'off'}."
    out.print(sentence, markup=False, soft_wrap=True)
    err.print("Workers change over before their next message.")


def tell_forced(failed: Sequence[str]) -> None:
    for sentence in failed:
        err.print(f"In spite of its gates: {sentence}", markup=False, soft_wrap=True)
