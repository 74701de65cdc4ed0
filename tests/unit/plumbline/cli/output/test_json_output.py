import json
import uuid
from datetime import UTC, datetime

import pytest

from plumbline.cli.output.json_output import print_json


def test_json_is_one_line_whatever_the_text_contains(capsys: pytest.CaptureFixture[str]) -> None:
    moment = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
    print_json({"text": "a\nb \u2028 é", "at": moment, "id": uuid.UUID(int=1)})
    printed = capsys.readouterr().out
    assert printed.count("\n") == 1
    assert json.loads(printed) == {
        "text": "a\nb \u2028 é",
        "at": "2026-01-02T03:04:00+00:00",
        "id": "00000000-0000-0000-0000-000000000001",
    }
