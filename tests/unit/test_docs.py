"""What the operators' page says of the settings is what the code has."""

from plumbline.settings import PREFIX, Settings
from tests.paths import DOCS

PAGE = DOCS / "operations.md"


def test_every_setting_is_on_the_operators_page_as_it_is() -> None:
    page = PAGE.read_text(encoding="utf-8")
    for name, field in Settings.model_fields.items():
        default = "" if field.default is None else f"`{field.default}`"
        assert f"| `{PREFIX}{name.upper()}` | {default} | {field.description} |" in page, name
