"""`plumbline models list, show, verify`: the model versions on disk."""

from __future__ import annotations

from pathlib import Path

from tests.artifacts import FAILED, PASSED, write_copy
from tests.command import Cli


def test_gates_of_a_version_are_shown(cli: Cli, tmp_path: Path) -> None:
    cli = cli.with_settings(models_dir=tmp_path / "models")
    write_copy(tmp_path / "models", "1.0.0", (*PASSED, *FAILED))
    lines = [line.split() for line in cli.run("models", "show", "sms-spam").splitlines()]
    assert ["f1", "0.95", "≥", "0.9", "passed"] in lines
    assert ["f1_drop", "≥", "0.01", "skipped"] in lines
    assert ["f1", "0.85", "≥", "0.9", "failed"] in lines
    write_copy(tmp_path / "models", "1.0.1", ())
    assert "It was never measured against gates." in cli.run("models", "show", "sms-spam/1.0.1")


def test_model_with_one_changed_byte_is_refused_everywhere(cli: Cli, two_versions: Path) -> None:
    cli = cli.with_settings(models_dir=two_versions)
    cli.run("models", "promote", "sms-spam/1.0.0")
    model = two_versions / "sms-spam" / "1.0.1" / "model.int8.tflite"
    content = bytearray(model.read_bytes())
    content[len(content) // 2] ^= 1
    model.write_bytes(content)
    for arguments in (("models", "promote", "sms-spam/1.0.1"), ("score", "hello")):
        assert f"{model} does not match its manifest" in cli.error(*arguments)
    verified = cli.json("models", "verify", code=1)["models"]
    assert [(version["model"], version["ok"]) for version in verified] == [
        ("sms-spam/1.0.0", True),
        ("sms-spam/1.0.1", False),
    ]
    assert cli.json("models", "list")["live"] == "sms-spam/1.0.0"
    (two_versions / "sms-spam" / "1.0.1" / "manifest.json").write_text("{", encoding="utf-8")
    listed = cli.json("models", "list")["models"]
    assert [version["error"] is None for version in listed] == [True, False]
    assert "cannot be read" in cli.run("models", "list")
