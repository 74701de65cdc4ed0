"""`plumbline sources` and `plumbline labellers`, and labels by a role that has no such grant."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import Engine, text

from tests.command import Cli
from tests.roles import grant_use, role


def test_a_source_is_bound_listed_and_released(cli: Cli, database_url: str) -> None:
    assert cli.run("sources").startswith("The installation is open: everybody may use")
    assert cli.error("sources", "bind", "billing") == (
        "Name what the source is bound to: --role ROLE, --queue, or both."
    )
    assert cli.error("sources", "bind", "billing", "--role", "absent") == (
        'PostgreSQL has no role "absent"; create it first, or correct --role.'
    )
    assert "at most 100 letters" in cli.error("sources", "bind", "two words", "--queue")
    assert cli.error("sources", "bind", "", "--queue") == "The source is empty."
    with role(database_url) as (name, _):
        bound = cli.json("sources", "bind", "billing", "--role", name, "--queue")
        assert bound["next"] == [
            f'In PostgreSQL: GRANT plumbline_producer TO "{name}";',
            "In Redis, or with a new password from `plumbline redis acl --source billing`: "
            "ACL SETUSER producer-billing on >PASSWORD " + acl_of(bound["next"][1]),
            "Its producer sends its messages to the queues plumbline.score@billing and "
            "plumbline.bulk@billing.",
        ]
        assert cli.json("sources", "close") == {"closed": True}
        listed = cli.json("sources")
        assert listed["closed"] is True
        (source,) = listed["sources"]
        assert (source["name"], source["roles"], source["queue"]) == ("billing", [name], True)
        assert "closed: only operators" in cli.run("sources")
        assert name in cli.run("sources")
        assert "is released" in cli.run("sources", "unbind", "billing")
        assert "not bound to that" in cli.error("sources", "unbind", "billing")
        assert "released" in cli.run("sources")
        assert "open: everybody" in cli.run("sources", "open")


def acl_of(step: str) -> str:
    """Return the rights of the line for Redis, which name the source's own lists and no others."""
    rights = step.partition(">PASSWORD ")[2]
    assert "~plumbline:plumbline.score@billing" in rights
    assert "~plumbline:plumbline.score " not in rights + " "
    assert "+lpush" in rights
    return rights


def test_names_of_labellers_are_granted_and_revoked(cli: Cli, database_url: str) -> None:
    assert cli.run("labellers") == "No name is granted: every role labels under its own.\n"
    assert cli.error("labellers", "grant", "support") == (
        "Name who labels under this name: --role ROLE or --source SOURCE."
    )
    with role(database_url) as (name, _):
        granted = {"name": "support", "kind": "role", "grantee": name}
        assert cli.json("labellers", "grant", "support", "--role", name) == granted
        assert "may label as support" in cli.run(
            "labellers", "grant", "support", "--source", "mail"
        )
        records = cli.json("labellers")["labellers"]
        assert [(record["kind"], record["grantee"]) for record in records] == [
            ("role", name),
            ("source", "mail"),
        ]
        assert "support" in cli.run("labellers")
        assert cli.json("labellers", "revoke", "support", "--role", name) == granted
        assert "nothing was changed" in cli.error("labellers", "revoke", "support", "--role", name)


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
        cli.run("sources", "bind", "shop", "--queue")
        *skipped, summary = other.json_lines(*label, code=1)
        assert [row["kind"] for row in skipped] == ["refused", "refused"]
        assert (summary["refused"], summary["known"]) == (2, 0)
        assert cli.json_lines(*label, "--by", "ann")[-1]["accepted"] == 2
    with engine.connect() as connection:
        rows = connection.execute(text("SELECT DISTINCT source, recorded_by FROM plumbline.labels"))
        recorded = dict(tuple(row) for row in rows)
    assert recorded[name] == f"role:{name}"
    assert set(recorded) == {name, "ann"}
