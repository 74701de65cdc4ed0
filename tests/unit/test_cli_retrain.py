import sys
from pathlib import Path

import pytest

from plumbline.cli.retrain import training_command
from plumbline.settings import Settings

SETTINGS = Settings(models_dir=Path("elsewhere"))


def test_every_argument_is_handed_on_with_the_settings_folder() -> None:
    command = training_command(["--data", "a.csv"], SETTINGS)
    assert command[0] == sys.executable
    assert command[-6:] == ["-m", "training", "--data", "a.csv", "--models-dir", "elsewhere"]


@pytest.mark.parametrize("given", [["--models-dir", "x"], ["--models-dir=x"], ["--help"]])
def test_a_folder_that_is_given_stays(given: list[str]) -> None:
    assert training_command(given, SETTINGS)[-len(given) :] == given
