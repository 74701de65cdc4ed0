"""The tasks of quality, alerts and labels in real workers, and the commands that show them."""

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
from storage.jobs import ledger
from tests import command
from tests.waiting import eventually
from tests.workers import environment, worker


class Hook(http.server.BaseHTTPRequestHandler):
    came: list[dict[str, Any]]

    def do_POST(self) -> None:
        self.came.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def hook() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """The address of a webhook, and what came there."""
    handler = type("OwnHook", (Hook,), {"came": []})
    server = http.server.HTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/", handler.came
    server.shutdown()
    thread.join()
    server.server_close()


def test_labels_reports_and_alerts_go_their_way(
    engine: Engine,
    database_url: str,
    broker_url: str,
    hook: tuple[str, list[dict[str, Any]]],
    tmp_path: Path,
) -> None:
    (job,) = [new_job("WINNER!! Claim your prize", source="mail", key="k", max_chars=100)]
    with engine.begin() as connection:
        ledger.accept(connection, [job])
        connection.execute(
            text("UPDATE plumbline.jobs SET created_at = created_at - interval '1 hour'")
        )
    publisher = Publisher(broker_url)
    settings = {"alert_webhook_secret": "secret", "alert_webhook_url": hook[0]}
    with worker(
        database_url,
        broker_url,
        tmp_path,
        concurrency=1,
        queues=f"{REPORT_QUEUE},{UPKEEP_QUEUE}",
        settings=settings,
    ) as running:
        said = {"source": "mail", "key": "k", "label": "1", "by": "ann"}
        nobody = {"job_id": str(uuid.uuid4()), "label": "1", "by": "ann"}
        for arguments in (
            {"version": 1, "labels": [said, nobody]},
            {"version": 1, "labels": [said]},
            {"version": 1, "labels": [said | {"by": 3}]},
        ):
            publisher.send(LABEL_TASK, arguments, UPKEEP_QUEUE)
        running.until_logged("1 labels accepted, 0 changed, 0 known, 1 of unknown jobs, 0 unusable")
        running.until_logged("0 labels accepted, 0 changed, 1 known, 0 of unknown jobs, 0 unusable")
        running.until_logged("is rejected: labels.0.by: Input should be a valid string")
        assert running.log().count("is rejected") == 1

        publisher.send(ALERTS_TASK, {}, REPORT_QUEUE)
        eventually(lambda: hook[1])
        assert [(told["rule"], told["status"]) for told in hook[1]] == [("queue_age", "raised")]
        assert "alert queue_age (critical): A text has waited for" in running.log()
        assert hook[0] not in running.log(), "an address may hold a token"

        shell = environment(database_url, broker_url, tmp_path) | {"COLUMNS": "160"}
        reports = plumbline(shell, tmp_path, "quality", "run", "--json")
        (report,) = json.loads(reports)["reports"]
        assert (report["window_rows"], report["metrics"]["accuracy"]["estimated"]) == (0, None)
    assert "sms-spam/1.0.0" in plumbline(shell, tmp_path, "quality")
    assert "A text has waited for" in plumbline(shell, tmp_path, "alerts")
    told = json.loads(plumbline(shell, tmp_path, "alerts", "--json"))
    assert [alert["rule"] for alert in told["firing"]] == ["queue_age"]
    assert told["resolved"] == []


def plumbline(shell: dict[str, str], folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        [command.PLUMBLINE, *arguments],
        env=shell,
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
