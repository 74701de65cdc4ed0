"""A model version on disk. Loading it verifies every file before any is read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from scoring.artifact.config import ScoringConfig
from scoring.artifact.manifest import Manifest
from scoring.artifact.model_ref import ModelRef
from scoring.artifact.profile import Profile
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


@dataclass(frozen=True, slots=True)
class Artifact:
    folder: Path
    manifest: Manifest
    config: ScoringConfig
    tokenizer: Tokenizer
    familiarity: Familiarity

    @classmethod
    def load(cls, folder: Path) -> Artifact:
        """Verify and open a version; raise an `ArtifactError` that names what is not right."""
        manifest = Manifest.read(folder)
        absent = [name for name in SERVING_FILES if name not in manifest.files]
        if absent:
            raise ArtifactInvalid(f"{folder}'s manifest does not list {', '.join(absent)}.")
        manifest.verify(folder)
        return cls.draft(folder, manifest)

    @classmethod
    def draft(cls, folder: Path, manifest: Manifest) -> Artifact:
        """Open a version whose manifest is not written yet, and so proves nothing."""
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
        """As rows and commands name it: "sms-spam/1.0.0"."""
        return str(self.ref)

    @property
    def model_path(self) -> Path:
        return self.folder / MODEL

    def profile(self) -> Profile:
        """The reference for drift; read when asked for, since scoring does not need it."""
        return Profile.read(self.folder / PROFILE)
