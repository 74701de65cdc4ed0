"""What scoring refuses, each with the one sentence a person is shown.

* ScoringError
  * ArtifactError
    * ArtifactMissing
    * ArtifactDamaged
    * ArtifactInvalid
  * TextRefused
"""


class ScoringError(Exception):
    """Scoring failed."""


class ArtifactError(ScoringError):
    """A model version cannot be used."""


class ArtifactMissing(ArtifactError):
    """There is no such model version, or one of its files is not there."""


class ArtifactDamaged(ArtifactError):
    """A file of the model version differs from what its manifest says."""


class ArtifactInvalid(ArtifactError):
    """A file of the model version is whole but says something impossible."""


class TextRefused(ScoringError):
    """The text cannot be scored, and its message says why."""
