"""What the front door refuses, each with the one sentence a person is shown.

* PlumblineError
  * SettingsInvalid
  * ServicesMissing
  * BrokerUnavailable
  * FileUnreadable
  * JobUnknown
"""


class PlumblineError(Exception):
    """Something a person can put right."""


class SettingsInvalid(PlumblineError):
    """A setting cannot be used."""


class ServicesMissing(PlumblineError):
    """Neither URLs are set nor embedded servers running."""


class BrokerUnavailable(PlumblineError):
    """Redis cannot be reached; what was accepted waits in the ledger."""


class FileUnreadable(PlumblineError):
    """A file of texts cannot be read as what it says it is."""


class JobUnknown(PlumblineError):
    """There is no such job."""
