from pathlib import Path

import pytest

from scoring.artifact.profile import Profile
from scoring.errors import ArtifactInvalid
from tests.artifacts import profile


def test_profile_round_trips(tmp_path: Path) -> None:
    profile().write(tmp_path / "profile.json")
    assert Profile.read(tmp_path / "profile.json") == profile()


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"histograms": {"a": {}}}'])
def test_invalid_content_is_rejected(tmp_path: Path, content: str) -> None:
    (tmp_path / "profile.json").write_text(content, encoding="utf-8")
    with pytest.raises(ArtifactInvalid, match="is not a drift reference"):
        Profile.read(tmp_path / "profile.json")
