"""What a model version consists of, and the proof that it still does."""

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


@dataclass(frozen=True, slots=True)
class FileHash:
    """SHA-256 in hexadecimal, and the size in bytes."""

    sha256: str
    bytes: int

    @classmethod
    def of(cls, path: Path) -> FileHash:
        with path.open("rb") as file:
            return cls(hashlib.file_digest(file, "sha256").hexdigest(), path.stat().st_size)


@dataclass(frozen=True, slots=True)
class Manifest:
    """`files` serve and must all be there; `training_files` may be left behind when it ships."""

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
        """Read a version's manifest; its own hash becomes `sha256`."""
        path = folder / FILE_NAME
        try:
            content = path.read_bytes()
        except OSError as error:
            raise ArtifactMissing(
                f"{folder} is no model version: it has no {FILE_NAME}."
            ) from error
        try:
            raw = json.loads(content)
            for part in ("files", "training_files"):
                raw[part] = {_inside(n): FileHash(**h) for n, h in raw.get(part, {}).items()}
            manifest = cls(**raw | {"sha256": hashlib.sha256(content).hexdigest()})
        except (ValueError, TypeError, AttributeError) as error:
            raise ArtifactInvalid(f"{path} cannot be read: {error}.") from error
        if manifest.format != FORMAT:
            raise ArtifactInvalid(
                f"{path} has format {manifest.format}, and this release reads format {FORMAT}."
            )
        return manifest

    def verify(self, folder: Path) -> None:
        """Raise `ArtifactMissing` or `ArtifactDamaged` naming the first file that is not right."""
        for name, expected in self.files.items():
            if not (folder / name).is_file():
                raise ArtifactMissing(f"{folder / name} is missing; copy the version anew.")
            _compare(folder / name, expected)
        for name, expected in self.training_files.items():
            if (folder / name).is_file():
                _compare(folder / name, expected)

    def write(self, folder: Path) -> None:
        body = asdict(self)
        # The hash of the manifest is not something the manifest can contain.
        del body["sha256"]
        text = json.dumps(body, indent=2, sort_keys=True) + "\n"
        (folder / FILE_NAME).write_text(text, encoding="utf-8")


def hashes(folder: Path, names: Iterable[str]) -> dict[str, FileHash]:
    """The hash of each named file of the folder."""
    return {name: FileHash.of(folder / name) for name in sorted(names)}


def _compare(path: Path, expected: FileHash) -> None:
    try:
        found = FileHash.of(path)
    except OSError as error:
        raise ArtifactMissing(f"{path} cannot be read: {error.strerror}.") from error
    if found != expected:
        raise ArtifactDamaged(
            f"{path} is not what its manifest says (sha256 {found.sha256[:12]}..., "
            f"expected {expected.sha256[:12]}...); copy the version anew."
        )


def _inside(name: str) -> str:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name:
        raise ValueError(f"{name!r} lies outside the folder")
    return name
