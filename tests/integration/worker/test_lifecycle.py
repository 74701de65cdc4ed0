"""Start-up of real workers: the checks that prevent it, and the first deployment."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, select

from storage import migrate
from storage.serving import deployments
from storage.tables import ModelVersion
from tests.artifacts import FAILED, PASSED, write_copy
from tests.workers import failed_start_output, start_worker


@pytest.mark.parametrize(
    ("gates", "warning"),
    [
        (PASSED, None),
        (FAILED, "f1 is 0.85; the gate requires at least 0.9."),
        ((), "sms-spam/3.0.0 was never gated."),
    ],
)
def test_the_first_start_deploys_the_default_version_and_warns_if_it_did_not_pass_its_gates(
    database_url: str,
    broker_url: str,
    engine: Engine,
    tmp_path: Path,
    gates: Sequence[Any],
    warning: str | None,
) -> None:
    write_copy(tmp_path / "models", "3.0.0", gates)
    settings = {"models_dir": tmp_path / "models"}
    with start_worker(
        database_url, broker_url, tmp_path, settings=settings, concurrency=1
    ) as worker:
        log = worker.log()
    with engine.connect() as connection:
        (first,) = deployments.history(connection)
        labels = connection.execute(select(ModelVersion.labels)).scalar_one()
    assert (first.model, first.reason, first.forced) == ("sms-spam/3.0.0", "the first start", False)
    assert labels == ["ham", "spam"]
    beginning = "MainProcess] sms-spam/3.0.0 serves although it did not pass its gates: "
    warnings = [line.partition(beginning)[2] for line in log.splitlines() if "its gates" in line]
    assert warnings == ([] if warning is None else [warning])


def is_one_sentence(output: str, sentence: str) -> bool:
    return sentence in output and "Traceback" not in output


def test_a_worker_does_not_start_without_its_database(broker_url: str, tmp_path: Path) -> None:
    output = failed_start_output("postgresql://me:secret@127.0.0.1:1/none", broker_url, tmp_path)
    assert is_one_sentence(
        output,
        "The worker does not start: PostgreSQL at postgresql://me:***@127.0.0.1:1/none "
        "cannot be reached: ",
    )
    assert "secret" not in output


def test_a_worker_does_not_start_with_an_invalid_database_url(
    broker_url: str, tmp_path: Path
) -> None:
    output = failed_start_output("mysql://me:secret@127.0.0.1/none", broker_url, tmp_path)
    assert is_one_sentence(output, "The database URL must start with")
    assert "secret" not in output


def test_a_worker_does_not_start_without_redis(database_url: str, tmp_path: Path) -> None:
    output = failed_start_output(database_url, "redis://:secret@127.0.0.1:1/0", tmp_path)
    assert is_one_sentence(
        output,
        "The worker does not start: Redis at redis://:***@127.0.0.1:1/0 cannot be reached: ",
    )
    assert "secret" not in output


def test_a_worker_does_not_start_without_a_database_url(broker_url: str, tmp_path: Path) -> None:
    output = failed_start_output("", broker_url, tmp_path)
    assert is_one_sentence(
        output, "A worker needs PLUMBLINE_DATABASE_URL and PLUMBLINE_BROKER_URL; "
    )


def test_a_worker_does_not_start_before_the_schema_is_migrated(
    postgres_server_url: str, broker_url: str, tmp_path: Path
) -> None:
    assert is_one_sentence(
        failed_start_output(postgres_server_url, broker_url, tmp_path),
        "The worker does not start: The database's tables are at version nothing and this release "
        f"needs {migrate.newest()}; run `plumbline db upgrade`.",
    )


def test_a_worker_does_not_start_if_one_byte_of_its_model_changed(
    database_url: str, broker_url: str, tmp_path: Path
) -> None:
    file = write_copy(tmp_path / "models", "1.0.0", PASSED) / "model.int8.tflite"
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    settings = {"models_dir": tmp_path / "models"}
    assert is_one_sentence(
        failed_start_output(database_url, broker_url, tmp_path, settings=settings),
        f"The worker does not start: {file} does not match its manifest (sha256 ",
    )


def test_a_worker_does_not_start_without_a_model(
    database_url: str, broker_url: str, tmp_path: Path
) -> None:
    assert is_one_sentence(
        failed_start_output(database_url, broker_url, tmp_path, settings={"models_dir": tmp_path}),
        f"The worker does not start: There is no model sms-spam in {tmp_path}; available: none.",
    )


def test_a_worker_does_not_start_with_an_invalid_setting(
    database_url: str, broker_url: str, tmp_path: Path
) -> None:
    assert is_one_sentence(
        failed_start_output(database_url, broker_url, tmp_path, settings={"lease_s": "soon"}),
        "PLUMBLINE_LEASE_S is not usable: ",
    )


def test_a_worker_does_not_start_with_a_memory_limit_below_its_model(
    database_url: str, broker_url: str, tmp_path: Path
) -> None:
    output = failed_start_output(
        database_url, broker_url, tmp_path, settings={"child_memory_mb": 100}
    )
    assert is_one_sentence(
        output,
        "The worker does not start: PLUMBLINE_CHILD_MEMORY_MB=100 is too little for sms-spam/1.0.0",
    )
