"""Where things lie in the checkout, however deep the test that asks."""

from __future__ import annotations

from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
DOCS = CHECKOUT / "docs"
FIXTURES = CHECKOUT / "tests" / "fixtures"
MODELS = CHECKOUT / "models"
SHIPPED = MODELS / "sms-spam" / "1.0.0"
SHARED_DATA = CHECKOUT.parent / "shared" / "data"
