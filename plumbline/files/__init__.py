"""Read rows from text, CSV, JSON lines and Parquet files: one reader for every command.

A file that is not text, or lacks a column, is refused before its first row. After that, an invalid
row is reported with its line, and the next one is read. Nothing is guessed silently.
"""

from __future__ import annotations

from plumbline.files.byte_stream import name_of
from plumbline.files.formats import STDIN, Format, ReadOptions, format_of
from plumbline.files.rows import Columns, InvalidRow, Problem, Row, RowColumns
from plumbline.files.text_file import TextFile
from plumbline.files.text_stream import check_argument, read_text

__all__ = [
    "STDIN",
    "Columns",
    "Format",
    "InvalidRow",
    "Problem",
    "ReadOptions",
    "Row",
    "RowColumns",
    "TextFile",
    "check_argument",
    "format_of",
    "name_of",
    "read_text",
]
