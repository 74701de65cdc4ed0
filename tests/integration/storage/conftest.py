from __future__ import annotations

import pytest
from sqlalchemy import Engine

from tests.ledger import Ledger


@pytest.fixture
def ledger(engine: Engine) -> Ledger:
    return Ledger(engine)
