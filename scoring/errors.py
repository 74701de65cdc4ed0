"""The errors of scoring. Each message is one sentence for the person who can act on it.

* ScoringError
  * ModelUnavailable
  * WeightsUnavailable
  * ArtifactError
    * ArtifactMissing
    * ArtifactDamaged
    * ArtifactInvalid
    * ArtifactUntrusted
      * ArtifactChanged
      * ArtifactUnsigned

`plumbline_client.errors.TextRefused` is the error for a text that cannot be scored.
"""

from __future__ import annotations

from plumbline_client.errors import PlumblineError


class ScoringError(PlumblineError):
    """Scoring failed."""


class ModelUnavailable(ScoringError):
    """No version is loaded, so that no text can be scored; no text is at fault."""


class WeightsUnavailable(ScoringError):
    """The weights cannot be shared between processes; each has to have its own."""


class ArtifactError(ScoringError):
    """A model version cannot be used."""


class ArtifactMissing(ArtifactError):
    """The model version, or one of its files, does not exist."""


class ArtifactDamaged(ArtifactError):
    """A file of the model version does not match the hash in its manifest."""


class ArtifactInvalid(ArtifactError):
    """A file of the model version matches its hash but has invalid content."""


class ArtifactUntrusted(ArtifactError):
    """The model version is complete, but not the one that may serve."""


class ArtifactChanged(ArtifactUntrusted):
    """The content of the model version is not what the database has registered."""


class ArtifactUnsigned(ArtifactUntrusted):
    """The model version has no signature of the key that is required."""
