"""The label, quality and alert tasks in a real worker, and the commands that show the results."""

from __future__ import annotations

import http.server
import json
import subprocess
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text

from plumbline.queues import ALERTS_TASK, LABEL_TASK, REPORT_QUEUE, UPKEEP_QUEUE
from plumbline_client.broker import Publisher
from plumbline_client.new_job import new_job
from tests import command
from tests.ledger import accept
from tests.waiting import eventually
from tests.workers import environment, start_worker


class WebhookHandler(http.server.BaseHTTPRequestHandler):
    received: list[dict[str, Any]]

    def do_POST(self) -> None:
        self.received.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def webhook() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Run a webhook; yield its address and the notices that it receives."""
    handler = type("Handler", (WebhookHandler,), {"received": []})
    server = http.server.HTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/", handler.received
    server.shutdown()
    thread.join()
    server.server_close()


def test_labels_reports_and_alerts_from_message_to_command(
    engine: Engine,
    database_url: str,
    broker_url: str,
    webhook: tuple[str, list[dict[str, Any]]],
    tmp_path: Path,
) -> None:
    (job,) = [new_job("WINNER!! Claim your prize", source="mail", key="k", max_chars=100)]
    with engine.begin() as connection:
        accept(connection, [job])
        connection.execute(
            text("UPDATE plumbline.jobs SET created_at = created_at - interval '1 hour'")
        )
    address, received = webhook
    publisher = Publisher(broker_url)
    settings = {"alert_webhook_secret": "secret", "alert_webhook_url": address}
    with start_worker(
        database_url,
        broker_url,
        tmp_path,
        concurrency=1,
        queues=f"{REPORT_QUEUE},{UPKEEP_QUEUE}",
        settings=settings,
    ) as running:
        known_job = {"source": "mail", "key": "k", "label": "1", "by": "ann"}
        unknown_job = {"job_id": str(uuid.uuid4()), "label": "1", "by": "ann"}
        for arguments in (
            {"version": 1, "labels": [known_job, unknown_job]},
            {"version": 1, "labels": [known_job]},
            {"version": 1, "labels": [known_job | {"by": 3}]},
        ):
            publisher.send(LABEL_TASK, arguments, UPKEEP_QUEUE)
        running.wait_for_log("1 labels accepted, 0 changed, 0 known, 1 of unknown jobs, 0 unusable")
        running.wait_for_log("0 labels accepted, 0 changed, 1 known, 0 of unknown jobs, 0 unusable")
        running.wait_for_log("is rejected: labels.0.by: Input should be a valid string")
        assert running.log().count("is rejected") == 1

        publisher.send(ALERTS_TASK, {}, REPORT_QUEUE)
        eventually(lambda: received)
        assert [(notice["rule"], notice["status"]) for notice in received] == [
            ("queue_age", "raised")
        ]
        assert "alert queue_age (critical): The oldest queued text has waited" in running.log()
        assert address not in running.log(), "the address may contain a token"

        shell = environment(database_url, broker_url, tmp_path) | {"COLUMNS": "160"}
        reports = plumbline(shell, tmp_path, "quality", "run", "--json")
        (report,) = json.loads(reports)["reports"]
        assert (report["window_rows"], report["metrics"]["accuracy"]["estimated"]) == (0, None)
    assert "sms-spam/1.0.0" in plumbline(shell, tmp_path, "quality")
    assert "The oldest queued text has waited" in plumbline(shell, tmp_path, "alerts")
    alerts = json.loads(plumbline(shell, tmp_path, "alerts", "--json"))
    assert [alert["rule"] for alert in alerts["firing"]] == ["queue_age"]
    assert alerts["resolved"] == []


def plumbline(shell: dict[str, str], folder: Path, *arguments: str) -> str:
    process = subprocess.run(
        [command.PLUMBLINE, *arguments],
        env=shell,
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    return process.stdout
