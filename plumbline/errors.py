"""The application's errors. Each message is one sentence for the person who can act on it.

* PlumblineError (`plumbline_client.errors`, with the errors of submissions)
  * ExtraMissing
  * FileUnreadable
  * FileUnwritable
  * GatesFailed
  * ModelUnchanged
  * OptionInvalid
  * OutputUnwritable
  * ReferenceMissing
  * ReferenceRefused
  * ReportMissing
  * SettingsInvalid
  * TaskChanged
  * TextsMissing
  * ScoringError (`scoring.errors`)
  * StorageError (`storage.errors`)
  * TrainingError (`training.errors`)
  * EmbeddedError (`plumbline.embedded.errors`)
  * MessageRejected (`plumbline.messages`)
"""

from __future__ import annotations

from plumbline_client.errors import PlumblineError


class SettingsInvalid(PlumblineError):
    """A setting has a value that cannot be used."""


class FileUnreadable(PlumblineError):
    """A file of texts cannot be read in its format."""


class FileUnwritable(PlumblineError):
    """A file cannot be written."""


class OutputUnwritable(PlumblineError):
    """Standard output is closed or full."""


class ReferenceMissing(PlumblineError):
    """There is no accepted reference of this kind or number."""


class ReferenceRefused(PlumblineError):
    """The traffic cannot become the reference of drift reports."""


class ReportMissing(PlumblineError):
    """The report does not exist, or did not arrive in time."""


class ModelUnchanged(PlumblineError):
    """The command would not change which versions serve."""


class GatesFailed(PlumblineError):
    """A version did not pass its gates, or was never measured against any."""


class TaskChanged(PlumblineError):
    """The version is of another model or has other classes than the live one."""


class TextsMissing(PlumblineError):
    """No stored text is of the time and source that the command names."""


class OptionInvalid(PlumblineError):
    """The options of a command contradict each other or cannot be used."""


class ExtraMissing(PlumblineError):
    """A command needs an optional dependency that is not installed."""
