"""`plumbline models keygen, sign`: signatures for models folders that several people can write to.

A signature is one of minisign, of the manifest, which has the hash of every other file.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

import typer

from plumbline.atomic_file import translate_write_errors
from plumbline.cli.commands.serving import ModelArgument, load_verified
from plumbline.cli.extras import extra_needed
from plumbline.cli.json_option import JsonOption
from plumbline.cli.output.console import out
from plumbline.cli.output.json_output import print_json
from plumbline.errors import FileUnwritable, OptionInvalid
from plumbline.settings import Settings
from plumbline.shipped import resolve_model
from scoring.artifact.manifest import FILE_NAME
from scoring.artifact.trust import SIGNATURE_NAME

PASSWORD_VARIABLE = "PLUMBLINE_SIGNING_PASSWORD"
KeyOption = Annotated[Path, typer.Option("--key", help="The file with the secret key.")]


def keygen(key: KeyOption, as_json: JsonOption = False) -> None:
    """Make a key pair: write the secret key, encrypted, to a new file; print the public key."""
    with extra_needed("Signing a version", "signatures"):
        import minisign

    pair = minisign.KeyPair.generate()
    pair.secret_key.encrypt(read_password(confirm=True))
    try:
        with translate_write_errors(key):
            descriptor = os.open(key, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(bytes(pair.secret_key))
    except FileExistsError as error:
        raise FileUnwritable(f"{key} exists already; a key is never overwritten.") from error
    public = pair.public_key.to_base64().decode()
    if as_json:
        print_json({"public_key": public, "key": str(key)})
        return
    out.print(f"The secret key is in {key}. Set this for workers:", markup=False, soft_wrap=True)
    out.print(f"PLUMBLINE_MODEL_PUBLIC_KEY={public}", markup=False, soft_wrap=True)


def sign(model: ModelArgument, key: KeyOption, as_json: JsonOption = False) -> None:
    """Sign a version after checking every file against its manifest."""
    with extra_needed("Signing a version", "signatures"):
        import minisign

    settings = Settings.read()
    artifact = load_verified(resolve_model(settings.models_dir, model))
    path = artifact.folder / SIGNATURE_NAME
    with unlocked(minisign, key) as secret:
        content = (artifact.folder / FILE_NAME).read_bytes()
        signature = secret.sign(content, trusted_comment=artifact.name)
    with translate_write_errors(path):
        path.write_bytes(bytes(signature))
    if as_json:
        print_json({"model": artifact.name, "signature": str(path)})
    else:
        out.print(f"Signed {artifact.name}: {path}.", markup=False, soft_wrap=True)


def unlocked(minisign: Any, path: Path) -> Any:
    """Return the secret key, a context manager that wipes it. Raises OptionInvalid."""
    try:
        secret = minisign.SecretKey.from_file(path)
        if secret.is_encrypted():
            secret.decrypt(read_password())
    except OSError as error:
        raise OptionInvalid(f"--key: {path} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise OptionInvalid(
            f"--key: {path} is not a secret key of minisign, or its password is another one."
        ) from error
    return secret


def read_password(*, confirm: bool = False) -> str:
    """Return the password of the variable, else ask for it."""
    password = os.environ.get(PASSWORD_VARIABLE)
    if password:
        return password
    answer: str = typer.prompt("Password of the key", hide_input=True, confirmation_prompt=confirm)
    return answer
