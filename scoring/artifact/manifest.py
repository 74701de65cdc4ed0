"""The manifest of a model version: its files with their hashes, its data, metrics and gates."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from scoring.errors import ArtifactDamaged, ArtifactInvalid, ArtifactMissing

FILE_NAME = "manifest.json"
FORMAT = 1
# A version with a thousand files has a manifest of 200 kB.
LARGEST_BYTES = 16_000_000


@dataclass(frozen=True, slots=True)
class FileHash:
    """A SHA-256 in hexadecimal and a size in bytes."""

    sha256: str
    bytes: int

    @classmethod
    def of(cls, path: Path) -> FileHash:
        with path.open("rb") as file:
            return cls(hashlib.file_digest(file, "sha256").hexdigest(), path.stat().st_size)


@dataclass(frozen=True, slots=True)
class Manifest:
    """`files` are needed to serve; `training_files` may be missing from a shipped version."""

    name: str
    version: str
    created_at: str
    parent: str | None
    code_version: str
    data: dict[str, Any]
    metrics: dict[str, Any]
    gates: list[dict[str, Any]]
    files: dict[str, FileHash]
    training_files: dict[str, FileHash] = field(default_factory=dict)
    format: int = FORMAT
    sha256: str = ""

    @classmethod
    def read(cls, folder: Path) -> Manifest:
        """Read a version's manifest and set `sha256` to the hash of the manifest itself.

        Raises ArtifactMissing or ArtifactInvalid.
        """
        path = folder / FILE_NAME
        check_contained(folder, FILE_NAME)
        try:
            if path.stat().st_size > LARGEST_BYTES:
                raise ArtifactInvalid(f"{path} is too large for a manifest.")
            content = path.read_bytes()
        except OSError as error:
            raise ArtifactMissing(
                f"{folder} is not a model version: it has no {FILE_NAME}."
            ) from error
        try:
            raw = json.loads(content)
            for part in ("files", "training_files"):
                raw[part] = {_checked_name(n): FileHash(**h) for n, h in raw.get(part, {}).items()}
            manifest = cls(**raw | {"sha256": hashlib.sha256(content).hexdigest()})
        except (ValueError, TypeError, AttributeError) as error:
            raise ArtifactInvalid(f"{path} cannot be read: {error}.") from error
        if manifest.format != FORMAT:
            raise ArtifactInvalid(
                f"{path} has format {manifest.format}, but this release reads format {FORMAT}."
            )
        return manifest

    def verify(self, folder: Path) -> None:
        """Raise `ArtifactMissing` or `ArtifactDamaged` for the first missing or changed file."""
        for name, expected in self.files.items():
            check_contained(folder, name)
            if not (folder / name).is_file():
                raise ArtifactMissing(f"{folder / name} is missing; copy the version again.")
            _verify_file(folder / name, expected)
        for name, expected in self.training_files.items():
            check_contained(folder, name)
            if (folder / name).is_file():
                _verify_file(folder / name, expected)

    def write(self, folder: Path) -> None:
        body = asdict(self)
        # The manifest cannot contain its own hash.
        del body["sha256"]
        text = json.dumps(body, indent=2, sort_keys=True) + "\n"
        (folder / FILE_NAME).write_text(text, encoding="utf-8")


def hashes(folder: Path, names: Iterable[str]) -> dict[str, FileHash]:
    """Return the hash of each of these files in the folder."""
    return {name: FileHash.of(folder / name) for name in sorted(names)}


def check_contained(folder: Path, name: str) -> None:
    """Raise ArtifactInvalid if a symbolic link leads from the version out of the models folder.

    Links within the folder are usual: Kubernetes mounts volumes with them. What is neither a file
    nor a folder, such as a FIFO, could block its reader for ever.
    """
    path = folder / name
    try:
        root, target = folder.parent.parent.resolve(), path.resolve()
    except RuntimeError as error:
        # Before Python 3.13, a loop of symbolic links.
        raise ArtifactInvalid(f"{path} is a symbolic link that leads back to itself.") from error
    if not target.is_relative_to(root):
        raise ArtifactInvalid(
            f"{path} is a symbolic link out of {root}; copy the version instead of linking to it."
        )
    if target.exists() and not target.is_file():
        raise ArtifactInvalid(f"{path} is not a regular file.")


def _verify_file(path: Path, expected: FileHash) -> None:
    try:
        actual = FileHash.of(path)
    except OSError as error:
        raise ArtifactMissing(f"{path} cannot be read: {error.strerror}.") from error
    if actual != expected:
        raise ArtifactDamaged(
            f"{path} does not match its manifest (sha256 {actual.sha256[:12]}..., "
            f"expected {expected.sha256[:12]}...); copy the version again."
        )


def _checked_name(name: str) -> str:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name:
        raise ValueError(f"{name!r} is outside the folder")
    return name
