"""A model version on disk. Every file is verified before any is read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from scoring.artifact.config import ScoringConfig
from scoring.artifact.manifest import Manifest
from scoring.artifact.model_ref import ModelRef
from scoring.artifact.profile import Profile
from scoring.artifact.trust import Trust
from scoring.errors import ArtifactInvalid
from scoring.input.familiarity import Familiarity
from scoring.input.tokenizer import Tokenizer

MODEL = "model.int8.tflite"
TOKENIZER = "tokenizer.json"
CONFIG = "config.json"
PROFILE = "profile.json"
FAMILIARITY = "familiarity.npz"
CARD = "MODEL_CARD.md"
SERVING_FILES = (MODEL, TOKENIZER, CONFIG, PROFILE, FAMILIARITY, CARD)
# A version that was never registered, where no signature is required.
ANY = Trust()


@dataclass(frozen=True, slots=True)
class Artifact:
    folder: Path
    manifest: Manifest
    config: ScoringConfig
    tokenizer: Tokenizer
    familiarity: Familiarity

    @classmethod
    def load(cls, folder: Path, trust: Trust = ANY) -> Artifact:
        """Verify and open a version. Raises an `ArtifactError` that names the invalid file."""
        manifest = Manifest.read(folder)
        trust.check(folder, manifest)
        missing = [name for name in SERVING_FILES if name not in manifest.files]
        if missing:
            raise ArtifactInvalid(f"{folder}'s manifest does not list {', '.join(missing)}.")
        manifest.verify(folder)
        return cls.open_unverified(folder, manifest)

    @classmethod
    def open_unverified(cls, folder: Path, manifest: Manifest) -> Artifact:
        """Open a version whose manifest is not written yet."""
        return cls(
            folder,
            manifest,
            ScoringConfig.read(folder / CONFIG),
            Tokenizer.read(folder / TOKENIZER),
            Familiarity.read(folder / FAMILIARITY),
        )

    @property
    def ref(self) -> ModelRef:
        return ModelRef.parse(f"{self.manifest.name}/{self.manifest.version}")

    @property
    def name(self) -> str:
        """The name in rows and commands, such as "sms-spam/1.0.0"."""
        return str(self.ref)

    @property
    def model_path(self) -> Path:
        return self.folder / MODEL

    def profile(self) -> Profile:
        """Read the reference for drift, which scoring itself does not need."""
        return Profile.read(self.folder / PROFILE)
