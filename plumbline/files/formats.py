"""The formats that can be read, and what a user may state about a file."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from plumbline.errors import FileUnreadable, OptionInvalid
from plumbline.files.encodings import parse_encoding

STDIN = "-"


class Format(StrEnum):
    TEXT = "text"
    CSV = "csv"
    JSONL = "jsonl"
    PARQUET = "parquet"


SUFFIXES = {
    ".txt": Format.TEXT,
    ".csv": Format.CSV,
    ".tsv": Format.CSV,
    ".jsonl": Format.JSONL,
    ".ndjson": Format.JSONL,
    ".parquet": Format.PARQUET,
}
# A shell makes it hard to type a tab.
DELIMITER_NAMES = {"tab": "\t", r"\t": "\t", "comma": ",", "semicolon": ";", "pipe": "|"}


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """What a user states about a file; None means that it is detected.

    `encoding` applies to files without a byte order mark, `delimiter` to CSV.
    """

    encoding: str | None = None
    delimiter: str | None = None

    @classmethod
    def parse(cls, encoding: str | None, delimiter: str | None) -> ReadOptions:
        """Return the options of a command line. Raises OptionInvalid."""
        return cls(
            None if encoding is None else parse_encoding(encoding),
            None if delimiter is None else _parse_delimiter(delimiter),
        )


def format_of(source: str) -> Format:
    """Return the format that the file's name implies. Standard input has one text per line."""
    if source == STDIN:
        return Format.TEXT
    if not source:
        raise FileUnreadable("The name of the file is empty; name a file, or - for standard input.")
    name = source.lower()
    format = SUFFIXES.get(Path(name.removesuffix(".gz")).suffix)
    if format is None or (format is Format.PARQUET and name.endswith(".gz")):
        raise FileUnreadable(
            f"{source} is not .csv, .tsv, .jsonl, .txt (also .gz) or .parquet; name its format "
            "with --format."
        )
    return format


def _parse_delimiter(delimiter: str) -> str:
    character = DELIMITER_NAMES.get(delimiter.lower(), delimiter)
    if len(character) != 1 or character in '"\r\n' or character.isalnum():
        raise OptionInvalid(
            f"--delimiter {delimiter[:20]!r} is not one character between values, such as ',', "
            "';', '|' or tab."
        )
    return character
