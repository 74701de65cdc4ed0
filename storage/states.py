"""Enumerations that the tables, the queries and the documentation share."""

from __future__ import annotations

from enum import StrEnum

from plumbline_client.states import TERMINAL, JobState

__all__ = [
    "JOINT_FEATURE",
    "TERMINAL",
    "Action",
    "DriftVerdict",
    "EstimateStatus",
    "GranteeKind",
    "JobState",
    "Metric",
    "NoticeStatus",
    "ReferenceKind",
    "Role",
    "Sampling",
    "Severity",
]

# The feature name of the drift value that stands for all columns of a report together.
JOINT_FEATURE = "joint"


class Role(StrEnum):
    """The purpose of a prediction: LIVE is the result of the job, SHADOW is for comparison only."""

    LIVE = "live"
    SHADOW = "shadow"


class DriftVerdict(StrEnum):
    """The result of a drift report."""

    STABLE = "stable"
    DRIFT = "drift"
    TOO_LITTLE_DATA = "too_little_data"
    # The comparison failed; the report's summary states why.
    FAILED = "failed"


class EstimateStatus(StrEnum):
    """Whether the texts of a quality report are like those that its estimate is calibrated on."""

    TRUSTED = "trusted"
    # A drift report on these texts found drift. The estimate is withheld.
    DRIFT = "drift"
    # No drift report is about most of these texts.
    UNCHECKED = "unchecked"


class ReferenceKind(StrEnum):
    """What a drift report compares a window with."""

    # The profile that training measured on the validation split.
    PROFILE = "profile"
    # The predictions of an earlier window of live traffic.
    WINDOW = "window"
    # A window of live traffic that somebody accepted as normal.
    ACCEPTED = "accepted"


class Sampling(StrEnum):
    """How the texts to be labelled were chosen. Only a random sample stands for the others."""

    RANDOM = "random"
    UNCERTAIN = "uncertain"
    UNFAMILIAR = "unfamiliar"


class GranteeKind(StrEnum):
    """Who may use a labeller's name: the members of a role, or messages in a source's list."""

    ROLE = "role"
    SOURCE = "source"


class Action(StrEnum):
    """What a deployment changed compared with the previous one."""

    PROMOTE = "promote"
    ROLLBACK = "rollback"
    SHADOW = "shadow"
    CANARY = "canary"


class Metric(StrEnum):
    """A metric of a quality report. It rates the predicted label, whatever the decision was."""

    ACCURACY = "accuracy"
    PRECISION = "precision"
    RECALL = "recall"
    F1 = "f1"


class Severity(StrEnum):
    WARNING = "warning"
    CRITICAL = "critical"


class NoticeStatus(StrEnum):
    """The event that a notice reports."""

    RAISED = "raised"
    RESOLVED = "resolved"
