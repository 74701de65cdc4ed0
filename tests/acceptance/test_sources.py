"""Labels from the command line by a role that may not speak for others."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import Engine, text

from tests.command import Cli
from tests.roles import grant_use, role


def test_a_role_that_is_not_an_operator_labels_under_its_own_name(
    cli: Cli, database_url: str, engine: Engine
) -> None:
    """It may not speak for others, even from the command line with rights on the tables."""
    cli.write("a.csv", "id,text\n0,text 0\n1,text 1\n")
    cli.run("submit", "a.csv", "--key-column", "id", "--source", "shop")
    with role(database_url) as (name, url):
        grant_use(database_url, name)
        other = replace(cli, environment={**cli.environment, "PLUMBLINE_DATABASE_URL": url})
        cli.write("l.csv", "id,label\n0,1\n1,0\n")
        label = ("label", "l.csv", "--key-column", "id", "--source", "shop")
        assert "labeller's name ann belongs to somebody else" in other.error(*label, "--by", "ann")
        summary = other.json_lines(*label)[-1]
        assert (summary["source"], summary["accepted"]) == (name, 2)
        assert "producer-shop" in cli.run("sources", "bind", "shop", "--queue")
        *skipped, summary = other.json_lines(*label, code=1)
        assert [row["kind"] for row in skipped] == ["refused", "refused"]
        assert (summary["refused"], summary["known"]) == (2, 0)
    with engine.connect() as connection:
        rows = connection.execute(text("SELECT DISTINCT source, recorded_by FROM plumbline.labels"))
        recorded = dict(tuple(row) for row in rows)
    assert recorded == {name: f"role:{name}"}
