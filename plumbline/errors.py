"""What the front door refuses, each with the one sentence a person is shown.

* PlumblineError
  * SettingsInvalid
  * SourceInvalid
  * ServicesMissing
  * BrokerUnavailable
  * BacklogFull
  * FileUnreadable
  * FileUnwritable
  * JobUnknown
  * ReportMissing
  * ModelUnchanged
  * GatesFailed
  * OptionInvalid
  * ExtraMissing
"""


class PlumblineError(Exception):
    """Something a person can put right."""


class SettingsInvalid(PlumblineError):
    """A setting cannot be used."""


class SourceInvalid(PlumblineError):
    """The name of who submits cannot be used."""


class ServicesMissing(PlumblineError):
    """Neither URLs are set nor embedded servers running."""


class BrokerUnavailable(PlumblineError):
    """Redis cannot be reached; what was accepted waits in the ledger."""


class BacklogFull(PlumblineError):
    """Too many texts wait already; what the call had not accepted yet is not accepted."""


class FileUnreadable(PlumblineError):
    """A file of texts cannot be read as what it says it is."""


class FileUnwritable(PlumblineError):
    """A file of results cannot be written."""


class JobUnknown(PlumblineError):
    """There is no such job."""


class ReportMissing(PlumblineError):
    """There is no such report, or none came in time."""


class ModelUnchanged(PlumblineError):
    """There is no other version to change over to."""


class GatesFailed(PlumblineError):
    """A version did not pass its gates, or was never held against any."""


class OptionInvalid(PlumblineError):
    """A command's option says something impossible."""


class ExtraMissing(PlumblineError):
    """A part of Plumbline that the command needs is not installed."""
