import shutil
from pathlib import Path

import pytest

import migrations
from storage import migrate


@pytest.mark.parametrize("name", ["100%", "%(here)s", "%d: é [b]", "with\na break"])
def test_folder_of_the_migrations_may_have_any_name(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    newest = migrate.newest()
    folder = tmp_path / name / "migrations"
    shutil.copytree(Path(migrations.__file__).parent, folder)
    monkeypatch.setattr(migrations, "__file__", str(folder / "__init__.py"))
    assert migrate.newest() == newest
