from pathlib import Path

from plumbline.version_record import version_record
from scoring.artifact.artifact import Artifact
from storage.serving.deployments import VersionRecord
from tests.artifacts import write_artifact


def test_record_has_the_name_hash_metrics_and_labels_of_the_manifest(tmp_path: Path) -> None:
    artifact = Artifact.load(write_artifact(tmp_path, "tiny"))
    assert version_record(artifact) == VersionRecord(
        "tiny/1.0.0", artifact.manifest.sha256, {}, ("ham", "spam")
    )
