"""Training errors; each message is one sentence shown to a person.

* PlumblineError
  * TrainingError
    * DataInvalid
    * InitialWeightsInvalid
    * VersionExists
    * ConversionFailed
"""

from plumbline_client.errors import PlumblineError


class TrainingError(PlumblineError):
    """Training cannot continue."""


class DataInvalid(TrainingError):
    """The labelled texts cannot be read or cannot train a model."""


class InitialWeightsInvalid(TrainingError):
    """The weights to start from cannot be loaded exactly."""


class VersionExists(TrainingError):
    """The version exists already, and versions are never overwritten."""


class ConversionFailed(TrainingError):
    """The SavedModel could not be converted to int8."""
