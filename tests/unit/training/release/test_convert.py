"""Failures of the converter, which a script stands in for."""

import sys
from pathlib import Path

import pytest

from training.errors import ConversionFailed
from training.release.convert import convert_to_int8


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("echo 'many lines' >&2; echo 'Unsupported op: X' >&2; exit 3", "Unsupported op: X"),
        ("exit 3", "the converter wrote no error"),
        # A converter that reports success, but writes no file.
        ("exit 0", "the converter wrote no error"),
    ],
)
def test_failed_conversion_is_reported_with_the_last_line(
    script: str, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    converter = tmp_path / "python"
    converter.write_text(f"#!/bin/sh\n{script}\n")
    converter.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(converter))
    with pytest.raises(ConversionFailed) as caught:
        convert_to_int8(tmp_path / "saved_model", tmp_path / "model.tflite")
    assert str(caught.value) == f"The SavedModel could not be converted to int8: {reason}"
