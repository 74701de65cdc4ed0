"""The options with which a user states what a file is."""

from __future__ import annotations

from typing import Annotated

import typer

EncodingOption = Annotated[
    str | None,
    typer.Option(
        "--encoding",
        help="Encoding of a file without a byte order mark, such as cp1252. Default: UTF-8.",
    ),
]
DelimiterOption = Annotated[
    str | None,
    typer.Option("--delimiter", help="Character between CSV values. Default: by the header."),
]
PositiveOption = Annotated[
    list[str] | None,
    typer.Option(
        "--positive",
        help="A value of the label that means the positive class, as in --positive spam; repeat it "
        "for several. Without --negative, every other value is the negative class.",
    ),
]
NegativeOption = Annotated[
    list[str] | None,
    typer.Option(
        "--negative", help="A value of the label that means the negative class, likewise."
    ),
]
