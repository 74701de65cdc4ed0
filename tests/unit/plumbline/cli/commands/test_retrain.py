import sys
from pathlib import Path

import pytest

from plumbline.cli.commands.retrain import (
    choose_task,
    export_columns,
    option_value,
    parse_labels,
    training_command,
)
from plumbline.cli.label_export import ExportColumns, LabelTask
from plumbline.errors import OptionInvalid
from plumbline.settings import Settings

SETTINGS = Settings(models_dir=Path("elsewhere"))
SPAM = LabelTask("sms-spam", ("ham", "spam"))


def test_arguments_are_passed_on_with_the_configured_models_folder() -> None:
    command = training_command(["--data", "a.csv"], SETTINGS)
    assert command[0] == sys.executable
    assert command[-6:] == ["-m", "training", "--data", "a.csv", "--models-dir", "elsewhere"]


@pytest.mark.parametrize("arguments", [["--models-dir", "x"], ["--models-dir=x"], ["--help"]])
def test_models_folder_among_the_arguments_is_kept(arguments: list[str]) -> None:
    assert training_command(arguments, SETTINGS)[-len(arguments) :] == arguments


@pytest.mark.parametrize(
    ("arguments", "value"),
    [
        (["--data", "a", "--text-column", "body"], "body"),
        (["--text-column=body", "--data", "a"], "body"),
        (["--text-column", "x", "--text-column", "body"], "body"),
        (["--text-column"], ""),
        (["--text", "x"], None),
    ],
)
def test_value_of_an_option_of_training_is_read(arguments: list[str], value: str | None) -> None:
    assert option_value(arguments, "--text-column") == value


def test_task_is_what_the_options_leave_open() -> None:
    assert choose_task(None, None, SPAM) == SPAM
    assert choose_task("sms-spam", None, SPAM) == SPAM
    assert choose_task(None, ("ham", "spam"), SPAM) == SPAM
    tweets = LabelTask("tweets", ("calm", "angry"))
    assert choose_task("tweets", ("calm", "angry"), None) == tweets
    assert choose_task("sms-spam", ("spam", "ham"), SPAM).labels == ("spam", "ham")


@pytest.mark.parametrize(
    ("name", "labels", "known", "missing"),
    [
        (None, None, None, "^--name and --labels must"),
        ("tweets", None, None, "^--labels must"),
        (None, ("calm", "angry"), None, "^--name must"),
        (None, ("calm", "angry"), SPAM, "^--name must"),
    ],
)
def test_unclear_task_is_asked_for(
    name: str | None, labels: tuple[str, str] | None, known: LabelTask | None, missing: str
) -> None:
    with pytest.raises(OptionInvalid, match=missing):
        choose_task(name, labels, known)


def test_labels_are_two_names() -> None:
    assert parse_labels("calm, angry") == ("calm", "angry")
    with pytest.raises(OptionInvalid, match="needs two names"):
        parse_labels("calm")


def test_export_has_the_columns_of_the_other_files() -> None:
    assert export_columns(["--data", "a"]) == ExportColumns("text", "label", "source")
    options = ["--text-column", "body", "--label-column=y", "--source-column", ""]
    assert export_columns(options) == ExportColumns("body", "y", "")
    values = export_columns(["--positive=spam", "--negative", "ham"]).values
    assert values == ("ham", "spam")
