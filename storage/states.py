"""Enumerations that the tables, the queries and the documentation share."""

from __future__ import annotations

from enum import StrEnum

from plumbline_client.states import TERMINAL, JobState

__all__ = ["TERMINAL", "JobState", "Role"]


class Role(StrEnum):
    """The purpose of a prediction: LIVE is the result of the job, SHADOW is for comparison only."""

    LIVE = "live"
    SHADOW = "shadow"
