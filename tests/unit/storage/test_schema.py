from storage.schema import SCHEMA, TABLES
from storage.tables import Base


def test_names_are_those_of_all_tables() -> None:
    assert sorted(TABLES) == sorted(table.name for table in Base.metadata.tables.values())
    assert {table.schema for table in Base.metadata.tables.values()} == {SCHEMA}
