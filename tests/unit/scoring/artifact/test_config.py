import json
from pathlib import Path
from typing import Any

import pytest

from scoring.artifact.config import ScoringConfig
from scoring.errors import ArtifactInvalid


def test_config_round_trips(tmp_path: Path) -> None:
    config = ScoringConfig(labels=("ham", "spam"), temperature=1.3, architecture={"layers": 4})
    config.write(tmp_path / "config.json")
    # Releases that do not know the bias read a configuration without one.
    assert "bias" not in json.loads((tmp_path / "config.json").read_text())
    assert ScoringConfig.read(tmp_path / "config.json") == config
    biased = ScoringConfig(bias=-0.25)
    biased.write(tmp_path / "config.json")
    assert ScoringConfig.read(tmp_path / "config.json") == biased


def test_defaults() -> None:
    config = ScoringConfig()
    assert (config.threshold, config.temperature, config.top_k, config.top_p) == (0.7, 1.0, 1, 1.0)
    assert config.max_tokens == 512
    assert config.rule.threshold == 0.7


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"format": 2}, "format is 1"),
        ({"labels": ["spam"]}, "labels are two names"),
        ({"labels": ["spam", "spam"]}, "labels are two names"),
        ({"threshold": 0.4}, "threshold is between 0.5 and 1"),
        ({"temperature": 0.0}, "temperature is above 0"),
        ({"temperature": float("nan")}, "temperature is above 0"),
        ({"bias": float("nan")}, "bias is a finite number"),
        ({"top_k": 3}, "top_k is 1 or 2"),
        ({"top_p": 0.0}, "top_p is above 0 and at most 1"),
        ({"max_tokens": 2}, "max_tokens leaves room for one token"),
        ({"max_tokens": 130, "window_overlap": 128}, "window_overlap is smaller than a window"),
        ({"window_rule": "median"}, "window_rule is one of mean, max"),
    ],
)
def test_error_for_an_invalid_config_names_the_broken_rule(
    tmp_path: Path, change: dict[str, Any], rule: str
) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"labels": ["ham", "spam"]} | change), encoding="utf-8")
    with pytest.raises(ArtifactInvalid, match=rf"breaks the rule that {rule}\.$"):
        ScoringConfig.read(path)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"labels": 3}', '{"labels": [], "more": 1}'])
def test_invalid_content_is_rejected(tmp_path: Path, content: str) -> None:
    path = tmp_path / "config.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(ArtifactInvalid, match="cannot be read"):
        ScoringConfig.read(path)
