"""`plumbline show`: one job by its id or a prefix of it."""

from __future__ import annotations

import uuid

from tests.command import Cli


def test_unknown_job_is_one_sentence(cli: Cli) -> None:
    assert cli.error("show", "nothing").startswith("'nothing' is not a job id;")
    assert "is not a job id" in cli.error("show", "ab")
    assert "is not a job id" in cli.error("show", "0-------")
    unknown = str(uuid.uuid4())
    assert cli.error("show", unknown) == f"There is no job {unknown}."
    cli.write("a.txt", "".join(f"text {number}\n" for number in range(20)))
    first = cli.json_lines("submit", "a.txt", "--source", "x")[0]["job_id"]
    assert cli.json("show", first)["state"] == "queued"
