"""The names of the schema and of its tables, for queries that do without their classes."""

from __future__ import annotations

SCHEMA = "plumbline"
TABLES = (
    "accepted_references",
    "alert_notices",
    "alerts",
    "deployments",
    "drift_reports",
    "drift_values",
    "installation",
    "jobs",
    "labellers",
    "labels",
    "locks",
    "model_faults",
    "model_versions",
    "periodic_tasks",
    "predictions",
    "quality_reports",
    "quality_values",
    "rejected_messages",
    "source_policy",
    "source_roles",
    "sources",
)
