"""What training refuses, each with the one sentence a person is shown.

* TrainingError
  * DataUnusable
  * StartUnusable
  * VersionTaken
  * ConversionFailed
"""


class TrainingError(Exception):
    """Training cannot go on."""


class DataUnusable(TrainingError):
    """The labelled texts cannot be learned from."""


class StartUnusable(TrainingError):
    """The weights to start from cannot be used."""


class VersionTaken(TrainingError):
    """There is such a version already, and versions are never overwritten."""


class ConversionFailed(TrainingError):
    """The int8 model could not be made."""
