"""What importing the package costs, and what it exports."""

from __future__ import annotations

import subprocess
import sys

import plumbline_client

APPLICATION = {"plumbline", "scoring", "storage", "worker", "monitoring", "training", "migrations"}
HEAVY = {"celery", "kombu", "sqlalchemy", "pydantic", "numpy"}


def modules_after(statement: str) -> set[str]:
    script = f"{statement}; import sys; print(*sys.modules)"
    run = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60
    )
    return {name.partition(".")[0] for name in run.stdout.split()}


def test_every_exported_name_exists() -> None:
    for name in plumbline_client.__all__:
        assert getattr(plumbline_client, name) is not None


def test_the_client_imports_nothing_of_the_application() -> None:
    loaded = modules_after("from plumbline_client import Client, Submission, Result")
    assert not loaded & (APPLICATION | HEAVY)


def test_the_contract_needs_no_third_party_package() -> None:
    loaded = modules_after(
        "import plumbline_client.errors, plumbline_client.states, plumbline_client.queues, "
        "plumbline_client.identity, plumbline_client.text, plumbline_client.new_job, "
        "plumbline_client.message, plumbline_client.results, plumbline_client.services"
    )
    assert not loaded & (APPLICATION | HEAVY | {"psycopg", "redis"})
