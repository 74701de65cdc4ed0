"""`plumbline score`: one text without queue or database."""

from __future__ import annotations

import gzip

from tests.command import Cli


def test_score_reads_standard_input_and_refuses_in_one_sentence(cli: Cli) -> None:
    assert cli.json("score", "-", stdin=b"a\0b")["notes"] == ["nul_replaced"]
    assert "sms-spam/1.0.0" in cli.run("score", "hello")
    assert cli.error("score", " ") == "The text cannot be scored: the text is empty."
    assert "200,000" in cli.error("score", "-", "--json", stdin=b"x" * 1_000_000)
    assert "There is no model other" in cli.error("score", "hello", "--model", "other")


def test_standard_input_is_scored_in_its_encoding_or_refused(cli: Cli) -> None:
    text = "Grüße, see you at six"
    wide = cli.json("score", "-", stdin=gzip.compress(text.encode("utf-16")))
    latin = text.encode("latin-1")
    named = cli.json("score", "-", "--encoding", "latin-1", stdin=latin)
    assert named["features"] == wide["features"]
    assert named["features"]["chars"] == len(text)
    assert "name that, as in --encoding cp1252" in cli.error("score", "-", stdin=latin)
    assert "is a PDF document" in cli.error("score", "-", stdin=b"%PDF-1.7\n")
