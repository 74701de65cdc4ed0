"""`plumbline settings`: the value and the purpose of every setting."""

from __future__ import annotations

from rich.text import Text

from plumbline.cli.json_option import JsonOption
from plumbline.cli.output.console import column_table, out
from plumbline.cli.output.json_output import print_json
from plumbline.settings import PREFIX, Settings
from plumbline_client.visible import one_line


def settings(as_json: JsonOption = False) -> None:
    """Show every setting with its value and purpose; secrets are masked."""
    current = Settings.read()
    rows = [
        {
            "variable": PREFIX + name.upper(),
            "value": None if getattr(current, name) is None else str(getattr(current, name)),
            "is_default": getattr(current, name) == field.default,
            "doc": field.description,
        }
        for name, field in Settings.model_fields.items()
    ]
    if as_json:
        print_json({"settings": rows})
        return
    table = column_table("variable", "value", "purpose")
    table.columns[0].no_wrap = True
    for row in rows:
        value = Text(
            one_line(row["value"] or "unset"), style="dim" if row["is_default"] else "bold"
        )
        table.add_row(row["variable"], value, Text(row["doc"] or ""))
    out.print(table)
