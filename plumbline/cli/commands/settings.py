"""`plumbline settings`: every setting, what it is and what it is for."""

from __future__ import annotations

from rich.text import Text

from plumbline.cli.output.console import Json, columns, out, print_json
from plumbline.settings import PREFIX, Settings


def settings(as_json: Json = False) -> None:
    """Show every setting with its value, secrets masked, and what it is for."""
    given = Settings.read()
    rows = [
        {
            "variable": PREFIX + name.upper(),
            "value": None if getattr(given, name) is None else str(getattr(given, name)),
            "is_default": getattr(given, name) == field.default,
            "doc": field.description,
        }
        for name, field in Settings.model_fields.items()
    ]
    if as_json:
        print_json({"settings": rows})
        return
    table = columns("variable", "value", "what it is for")
    table.columns[0].no_wrap = True
    for row in rows:
        value = Text(row["value"] or "unset", style="dim" if row["is_default"] else "bold")
        table.add_row(row["variable"], value, Text(row["doc"] or ""))
    out.print(table)
