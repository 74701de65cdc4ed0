"""What a model version has to prove before it is loaded, beyond its own hashes.

A manifest proves that the files belong together. Who may write to the models folder can write
another manifest; what the database recorded and a signature are out of their reach.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from scoring.artifact.manifest import FILE_NAME, Manifest, check_contained
from scoring.artifact.registry import model_name
from scoring.errors import ArtifactChanged, ArtifactInvalid, ArtifactUnsigned

SIGNATURE_NAME = f"{FILE_NAME}.minisig"
SIGN_COMMAND = "plumbline models sign"


@dataclass(frozen=True, slots=True)
class Trust:
    """`sha256` is the hash of the manifest that was registered; None if the version is new.

    `public_key` is a minisign key in base64; None accepts versions without a signature.
    """

    sha256: str | None = None
    public_key: str | None = None

    def check(self, folder: Path, manifest: Manifest) -> None:
        """Raise ArtifactInvalid, ArtifactChanged or ArtifactUnsigned."""
        if (named := f"{manifest.name}/{manifest.version}") != model_name(folder):
            raise ArtifactInvalid(
                f"The manifest in {folder} is that of {named}; the folder must have that name."
            )
        if self.sha256 is not None and self.sha256 != manifest.sha256:
            raise ArtifactChanged(
                f"{folder} is not what was registered as {named}: its manifest has the SHA-256 "
                f"{manifest.sha256[:12]}..., the database {self.sha256[:12]}...; copy the "
                "registered version again, and give other content a version number of its own."
            )
        if self.public_key is not None:
            _check_signature(folder, manifest, self.public_key)


def _check_signature(folder: Path, manifest: Manifest, public_key: str) -> None:
    try:
        # Without a key, the optional library is not needed.
        import minisign
    except ModuleNotFoundError as error:
        raise ArtifactUnsigned(
            "PLUMBLINE_MODEL_PUBLIC_KEY is set, and checking signatures needs "
            "plumbline-scoring[signatures], which is not installed."
        ) from error
    path = folder / SIGNATURE_NAME
    check_contained(folder, SIGNATURE_NAME)
    try:
        signature = minisign.Signature.from_bytes(path.read_bytes())
    except OSError as error:
        raise ArtifactUnsigned(
            f"{folder} has no signature that can be read ({SIGNATURE_NAME}), and "
            f"PLUMBLINE_MODEL_PUBLIC_KEY requires one; sign the version with `{SIGN_COMMAND}`."
        ) from error
    except ValueError as error:
        raise ArtifactUnsigned(f"{path} is not a signature of minisign.") from error
    try:
        key = minisign.PublicKey.from_base64(public_key)
        key.verify((folder / FILE_NAME).read_bytes(), signature)
    except ValueError as error:
        raise ArtifactUnsigned(
            f"The signature of {folder} is not of the key in PLUMBLINE_MODEL_PUBLIC_KEY, or its "
            f"manifest was changed afterwards; sign the version with `{SIGN_COMMAND}`."
        ) from error
    if Manifest.read(folder).sha256 != manifest.sha256:
        raise ArtifactUnsigned(f"{folder / FILE_NAME} changed while it was read.")
