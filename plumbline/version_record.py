"""What the database records about a model version on disk."""

from __future__ import annotations

from typing import TYPE_CHECKING

from storage.serving.deployments import VersionRecord

if TYPE_CHECKING:
    # Needs the extra "worker", which most commands do without.
    from scoring.artifact.artifact import Artifact


def version_record(artifact: Artifact) -> VersionRecord:
    return VersionRecord(
        artifact.name,
        artifact.manifest.sha256,
        artifact.manifest.metrics,
        artifact.config.labels,
    )
