"""`plumbline models promote, rollback, shadow, canary`: change which versions serve."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from sqlalchemy import Connection, Engine

from plumbline.cli.database import database
from plumbline.cli.extras import extra_needed
from plumbline.cli.json_option import JsonOption
from plumbline.cli.output.console import err, format_percent, out
from plumbline.cli.output.gate_results import gates_failed
from plumbline.cli.output.json_output import print_json
from plumbline.cli.smoke_test import smoke_test
from plumbline.cli.task_change import check_task
from plumbline.cli.user import current_user
from plumbline.errors import ModelUnchanged, OptionInvalid
from plumbline.services import connected
from plumbline.settings import Settings
from plumbline.shipped import resolve_model
from plumbline.version_record import version_record
from scoring.artifact.gates import failed_gates
from scoring.artifact.trust import Trust
from storage.reports.accepted_references import has_accepted
from storage.serving import deployments
from storage.serving.deployments import Serving

if TYPE_CHECKING:
    from scoring.artifact.artifact import Artifact

ModelArgument = Annotated[str, typer.Argument(help="NAME/VERSION, or NAME for its newest version.")]
OptionalModelArgument = Annotated[
    str | None, typer.Argument(help="NAME/VERSION, or NAME for its newest version.")
]
ReasonOption = Annotated[str, typer.Option(help="Reason, recorded in the history.")]
ForceOption = Annotated[
    bool,
    typer.Option(
        "--force",
        help="Deploy it even if it failed its gates or has none, or is of another task than the "
        "live version.",
    ),
]
OffOption = Annotated[bool, typer.Option("--off", help="Remove the current one.")]


def promote(
    model: ModelArgument,
    reason: ReasonOption = "none given",
    force: ForceOption = False,
    replace: Annotated[
        bool,
        typer.Option("--replace", help="Accept that its content is not what was registered."),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Make a version live if it passed its gates and can score a text.

    A version of another model, or with other classes, than the live one needs --force. A shadow and
    a canary are removed.
    """
    settings = Settings.read()
    artifact = load_verified(resolve_model(settings.models_dir, model), settings.model_public_key)
    failures = failed_gates(artifact.manifest)
    with database(connected(settings)) as engine:
        with engine.connect() as connection:
            check_not_live(connection, artifact, replace)
        check_gates(artifact, failures, force)
        smoke_test(artifact.name, artifact.folder)
        with engine.begin() as connection:
            deployments.lock_deployments(connection)
            before = check_not_live(connection, artifact, replace)
            change = check_task(connection, before, artifact, force)
            deployments.promote(
                connection,
                version_record(artifact),
                deployed_by=current_user(),
                reason=reason,
                forced=bool(failures),
                replace=replace,
            )
            notice = reference_notice(connection, before, artifact.name)
    print_live(artifact.name, before, as_json, failures)
    print_notice(notice)
    print_task_change(change)


def rollback(
    reason: Annotated[str | None, typer.Option(help="Reason, recorded in the history.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Return to the version that was live before; repeat to go further back.

    That version served before, so its gates are not checked again. This removes a shadow and a
    canary.
    """
    settings = Settings.read()
    with database(connected(settings)) as engine, engine.begin() as connection:
        deployments.lock_deployments(connection)
        before = deployments.serving(connection)
        previous = deployments.previous_model(connection)
        if before is None or previous is None:
            raise ModelUnchanged("No other version was live before, so a rollback is not possible.")
        folder = resolve_model(settings.models_dir, previous)
        artifact = load_verified(folder, settings.model_public_key)
        deployments.register(connection, version_record(artifact))
        reason = reason or f"rolled back from {before.live}"
        deployments.roll_back(connection, deployed_by=current_user(), reason=reason)
        notice = reference_notice(connection, before, artifact.name)
    print_live(artifact.name, before, as_json)
    print_notice(notice)


def shadow(
    model: OptionalModelArgument = None,
    off: OffOption = False,
    reason: ReasonOption = "none given",
    force: Annotated[
        bool,
        typer.Option("--force", help="Accept that it is of another task than the live version."),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Let a version score jobs for comparison only; its scores never become results."""
    settings = Settings.read()
    artifact = load_candidate(settings, model, off)
    name = artifact.name if artifact else None
    with database(connected(settings)) as engine:
        check_can_serve(engine, artifact, "shadow")
        with engine.begin() as connection:
            before = lock_serving(connection, name, "shadow")
            if before.shadow == name:
                raise ModelUnchanged(f"The shadow is {name or 'off'} already.")
            change = check_task(connection, before, artifact, force) if artifact else None
            if artifact is not None:
                deployments.register(connection, version_record(artifact))
            deployments.set_shadow(connection, name, deployed_by=current_user(), reason=reason)
    if as_json:
        print_json({"live": before.live, "shadow": name, "before": before.shadow})
    else:
        print_role_change("shadow", name, before.shadow)
    print_task_change(change)


def canary(
    model: OptionalModelArgument = None,
    share: Annotated[
        float | None, typer.Option(help="Share of jobs that it answers, between 0 and 1.")
    ] = None,
    off: OffOption = False,
    reason: ReasonOption = "none given",
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Let a version answer a share of jobs, if it passed its gates and can score a text."""
    check_share(share, off)
    settings = Settings.read()
    artifact = load_candidate(settings, model, off)
    name = artifact.name if artifact else None
    failures = failed_gates(artifact.manifest) if artifact else []
    with database(connected(settings)) as engine:
        check_can_serve(engine, artifact, "canary", failures, force)
        with engine.begin() as connection:
            before = lock_serving(connection, name, "canary")
            if (before.canary, before.canary_share) == (name, share or 0.0):
                raise ModelUnchanged(f"The canary is {format_canary(before) or 'off'} already.")
            change = check_task(connection, before, artifact, force) if artifact else None
            if artifact is not None:
                deployments.register(connection, version_record(artifact))
            deployments.set_canary(
                connection,
                name,
                share,
                deployed_by=current_user(),
                reason=reason,
                forced=bool(failures),
            )
    if as_json:
        current = {"live": before.live, "canary": name, "canary_share": share}
        print_json(current | {"before": before.canary, "forced": bool(failures)})
        print_task_change(change)
        return
    now = f"{name}, for {format_percent(share)} of jobs" if name and share else None
    print_role_change("canary", now, format_canary(before))
    print_failed_gates(failures)
    print_task_change(change)


def check_share(share: float | None, off: bool) -> None:
    if off and share is not None:
        raise OptionInvalid("--off cannot be combined with --share.")
    if not off and share is None:
        raise OptionInvalid("Give the share of jobs that it answers, for example --share 0.1.")
    # This form of the comparison also refuses NaN.
    if share is not None and not 0.0 < share < 1.0:
        raise OptionInvalid(
            f"--share is {share:g} but must lie between 0 and 1; to answer all jobs, use "
            "`plumbline models promote`."
        )


def load_candidate(settings: Settings, model: str | None, off: bool) -> Artifact | None:
    """Load and verify the named version; return None for --off."""
    if off == (model is not None):
        raise OptionInvalid("Name either a version or --off.")
    if model is None:
        return None
    return load_verified(resolve_model(settings.models_dir, model), settings.model_public_key)


def load_verified(
    folder: Path, public_key: str | None = None, sha256: str | None = None
) -> Artifact:
    """Load a version and verify it as a worker would. Raises ScoringError.

    `sha256` is the registered hash of its manifest; registering compares it in any case.
    """
    with extra_needed("Checking a model", "worker"):
        from scoring.artifact.artifact import Artifact

        artifact = Artifact.load(folder, Trust(sha256, public_key))
    artifact.profile()
    return artifact


def check_can_serve(
    engine: Engine,
    artifact: Artifact | None,
    role: str,
    failures: Sequence[str] = (),
    force: bool = False,
) -> None:
    """Check a shadow or canary before the deployments are locked, since scoring a text is slow."""
    with engine.connect() as connection:
        lock_serving(connection, artifact.name if artifact else None, role)
    if artifact is not None:
        check_gates(artifact, failures, force)
        smoke_test(artifact.name, artifact.folder)


def check_gates(artifact: Artifact, failures: Sequence[str], force: bool) -> None:
    if failures and not force:
        raise gates_failed(artifact.name, failures)


def check_not_live(
    connection: Connection, artifact: Artifact, replace: bool = False
) -> Serving | None:
    """Return what serves. Raises ModelUnchanged if this version is live already.

    With `replace`, the content of the live version may be another one now.
    """
    serving = deployments.serving(connection)
    if serving is not None and serving.live == artifact.name and not replace:
        raise ModelUnchanged(f"{artifact.name} is live already.")
    return serving


def lock_serving(connection: Connection, model: str | None, role: str) -> Serving:
    """Return what serves and lock it until the end of the transaction.

    Raises ModelUnchanged if `model` cannot have this role.
    """
    deployments.lock_deployments(connection)
    serving = deployments.serving(connection)
    if serving is None:
        raise ModelUnchanged(
            f"No version is live yet, and a {role} needs one; promote a version or start a worker "
            "first."
        )
    if model == serving.live:
        raise ModelUnchanged(f"{model} is live; the {role} must be another version.")
    return serving


def format_canary(serving: Serving) -> str | None:
    if serving.canary is None:
        return None
    return f"{serving.canary}, for {format_percent(serving.canary_share)} of jobs"


def print_live(
    model: str, before: Serving | None, as_json: bool, failures: Sequence[str] = ()
) -> None:
    """Print which version is live now; `failures` are the gates that it failed."""
    live = before.live if before else None
    if as_json:
        print_json({"live": model, "before": live, "forced": bool(failures)})
        return
    sentences = [f"Live is now {model}; before it was {live or 'none'}."]
    if before is not None and before.canary is not None:
        sentences.append(f"The canary is off; it was {format_canary(before)}.")
    if before is not None and before.shadow is not None:
        sentences.append(f"The shadow is off; it was {before.shadow}.")
    for sentence in sentences:
        out.print(sentence, markup=False, soft_wrap=True)
    print_failed_gates(failures)
    print_switch_notice()


def reference_notice(connection: Connection, before: Serving | None, live: str) -> str | None:
    """Return a notice if accepted traffic stops or begins to be the reference of reports."""
    if has_accepted(connection, live):
        return (
            f"Drift reports on {live} compare with the traffic that was accepted for it; see "
            "`plumbline drift accepted`."
        )
    if before is not None and before.live != live and has_accepted(connection, before.live):
        return (
            f"The traffic that was accepted for {before.live} is not the reference of {live}, "
            "whose drift reports compare with its own validation texts; `plumbline drift accept` "
            "changes that."
        )
    return None


def print_notice(notice: str | None) -> None:
    if notice is not None:
        err.print(notice)


def print_role_change(role: str, now: str | None, before: str | None) -> None:
    sentence = f"The {role} is now {now or 'off'}; before it was {before or 'off'}."
    out.print(sentence, markup=False, soft_wrap=True)
    print_switch_notice()


def print_failed_gates(failures: Sequence[str]) -> None:
    for sentence in failures:
        err.print(f"Deployed despite its gates: {sentence}", markup=False, soft_wrap=True)


def print_task_change(change: str | None) -> None:
    if change is not None:
        err.print(f"Deployed by force: {change}.", markup=False, soft_wrap=True)


def print_switch_notice() -> None:
    err.print("Workers switch before their next message.")
