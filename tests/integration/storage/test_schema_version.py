"""The version of the tables, read without Alembic, is the one that Alembic reports."""

from __future__ import annotations

from pathlib import Path

from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Engine

import migrations
from storage import schema_version


def test_the_newest_version_is_the_head_of_the_migrations() -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    assert schema_version.newest() == ScriptDirectory.from_config(config).get_current_head()


def test_the_version_of_migrated_tables_is_the_newest(engine: Engine) -> None:
    assert schema_version.check(engine) == schema_version.newest()
