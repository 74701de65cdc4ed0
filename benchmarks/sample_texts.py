"""Texts of about 20 tokens for the benchmarks, and how long one waits in the queue."""

from __future__ import annotations

from plumbline_client import Client

TEXT = "Your parcel number {} is ready at the counter, bring the code we sent you on Monday"


def sample_text(number: int) -> str:
    return TEXT.format(number)


def queue_wait_ms(client: Client, text: str, source: str) -> float:
    """Submit one text and return its time from commit to claim, by PostgreSQL's clock."""
    receipt = client.submit(text, source=source)
    (result,) = client.wait([receipt.job_id])
    assert result.queue_ms is not None, f"{result.state}: {result.error}"
    return result.queue_ms
