"""`plumbline score`: one text without queue or database."""

from __future__ import annotations

from tests.command import Cli


def test_score_reads_standard_input_and_refuses_in_one_sentence(cli: Cli) -> None:
    assert cli.json("score", "-", stdin=b"a\0b \xff")["notes"] == [
        "nul_replaced",
        "surrogate_replaced",
    ]
    assert "sms-spam/1.0.0" in cli.run("score", "hello")
    assert cli.error("score", " ") == "The text cannot be scored: the text is empty."
    assert "200,000" in cli.error("score", "-", "--json", stdin=b"x" * 1_000_000)
    assert "There is no model other" in cli.error("score", "hello", "--model", "other")
