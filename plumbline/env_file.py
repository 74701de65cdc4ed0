"""The lines of `.env` that set Plumbline's settings.

The file belongs to the project around Plumbline, so other lines may contain anything.
"""

from __future__ import annotations

import io
import re
import stat
from pathlib import Path

from plumbline.byte_order_marks import marked_encoding
from plumbline.errors import SettingsInvalid
from plumbline.system_errors import cause_and_cure

# What a copied line may begin with, unseen: spaces of any width, zero-width characters, a mark.
UNSEEN = re.compile(r"^[^\w!-~]+")


def read_env_file(path: Path, prefix: str) -> dict[str, str]:
    """Return the variables whose name starts with `prefix`, in capitals; none without a file.

    A folder of that name, as of a virtual environment, is not a file. Raises SettingsInvalid, which
    never quotes a value.
    """
    text = _decode(_read(path), path)
    if not text:
        return {}
    # Every command reads the settings, and most folders have no such file.
    from dotenv import dotenv_values
    from dotenv.parser import parse_stream

    for binding in parse_stream(io.StringIO(text)):
        if binding.error and prefix in binding.original.string.upper():
            raise SettingsInvalid(
                f"{path} is not usable: line {binding.original.line} is not NAME=value, or its "
                "quotes do not match."
            )
    values = {
        UNSEEN.sub("", name): value
        for name, value in dotenv_values(stream=io.StringIO(text)).items()
    }
    # An empty value is unset, as in the environment.
    return {
        name.upper(): _checked(name, value, path)
        for name, value in values.items()
        if name.upper().startswith(prefix) and value
    }


def _read(path: Path) -> bytes:
    try:
        if stat.S_ISDIR(path.stat().st_mode):
            return b""
        return path.read_bytes()
    except FileNotFoundError:
        return b""
    except OSError as error:
        raise SettingsInvalid(
            f"{path.absolute()} cannot be read: {cause_and_cure(error)}."
        ) from error


def _decode(content: bytes, path: Path) -> str:
    encoding = marked_encoding(content)
    try:
        if encoding is not None:
            return content.decode(encoding)
        if b"\0" not in content:
            return content.decode("utf-8", "surrogateescape")
    except UnicodeDecodeError:
        pass
    raise SettingsInvalid(f"{path} is not usable: it is not text in UTF-8; save it as UTF-8.")


def _checked(name: str, value: str, path: Path) -> str:
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise SettingsInvalid(f"{name} in {path} is not UTF-8; save the file as UTF-8.") from error
    return value
