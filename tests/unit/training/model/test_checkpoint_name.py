import json
from pathlib import Path

import pytest

from training.model.checkpoint_name import checkpoint_name


def folder(root: Path, path: str, **config: object) -> Path:
    (root / path).mkdir(parents=True)
    (root / path / "config.json").write_text(json.dumps(config))
    return root / path


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("all-MiniLM-L6-v2", "all-MiniLM-L6-v2"),
        ("spam-encoder/out", "spam-encoder/out"),
        ("spam-encoder/checkpoint-500", "spam-encoder/checkpoint-500"),
        ("hub/models--distilbert--base/snapshots/6cdc0aad91f5ae2e67", "distilbert/base@6cdc0aa"),
        ("hub/models--gpt2/snapshots/6cdc0aad91f5ae2e67", "gpt2@6cdc0aa"),
    ],
)
def test_folder_has_a_name_that_means_something_elsewhere(
    tmp_path: Path, path: str, name: str
) -> None:
    assert checkpoint_name(folder(tmp_path, path)) == name


def test_link_has_the_name_of_its_folder(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(folder(tmp_path, "mail-encoder"))
    assert checkpoint_name(tmp_path / "link") == "mail-encoder"


@pytest.mark.parametrize(
    ("stated", "name"),
    [
        ("org/encoder", "org/encoder in mine"),
        ("mine", "mine"),
        ("/home/bob/run", "mine"),
        ("./run", "mine"),
        (3, "mine"),
        (None, "mine"),
    ],
)
def test_name_of_the_hub_in_the_configuration_comes_first(
    tmp_path: Path, stated: object, name: str
) -> None:
    assert checkpoint_name(folder(tmp_path, "mine", _name_or_path=stated)) == name


def test_folder_without_a_readable_configuration_has_its_own_name(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "config.json").write_text("[1")
    assert checkpoint_name(tmp_path / "mine") == "mine"
