import hashlib
import hmac
import json
import socket
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from monitoring.alerts.webhook import (
    SIGNATURE,
    NotDelivered,
    body,
    post_http,
    signature,
    uses_proxy,
)
from storage.reports.alerts import Notice
from tests.paths import DOCS

NOTICE = Notice(
    id=7,
    status="raised",
    attempts=1,
    rule="drift",
    subject="sms-spam/1.0.0",
    severity="warning",
    message="The texts have drifted.",
    value=1.0,
    threshold=1.0,
    raised_at=datetime(2026, 3, 1, tzinfo=UTC),
    resolved_at=None,
    claimed_at=datetime(2026, 3, 1, 0, 5, tzinfo=UTC),
)


class Receiver(BaseHTTPRequestHandler):
    """Answers with the status in the request's path, and records the requests in `received`."""

    def do_POST(self) -> None:
        content = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.received.append((self.path, dict(self.headers), content))  # type: ignore[attr-defined]
        self.send_response(int(self.path.strip("/")))
        self.send_header("Location", "/200")
        self.end_headers()

    do_GET = do_POST

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def receiver() -> Iterator[HTTPServer]:
    server = HTTPServer(("127.0.0.1", 0), Receiver)
    server.received = []  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_body_is_json_and_identified_by_id_and_status() -> None:
    document = json.loads(body(NOTICE))
    assert (document["id"], document["status"], document["rule"]) == (7, "raised", "drift")
    assert document["raised_at"] == "2026-03-01T00:00:00+00:00"
    assert document["resolved_at"] is None
    assert "attempts" not in document, "the body is the same for every attempt"


def test_signature_covers_the_time_and_the_body() -> None:
    digest = hmac.new(b"secret", b'1700000000.{"id": 7}', hashlib.sha256).hexdigest()
    assert signature(b'{"id": 7}', "secret", 1_700_000_000) == f"t=1700000000,v1={digest}"


def test_documented_verification_accepts_only_a_genuine_request() -> None:
    """Runs the example in docs/quality.md."""
    page = (DOCS / "quality.md").read_text(encoding="utf-8")
    example = page.partition("```python\n")[2].partition("```")[0]
    names: dict[str, Any] = {}
    exec(example, names)
    is_genuine, now = names["is_genuine"], 1_700_000_000
    header = signature(b"body", "secret", now)
    assert is_genuine(b"body", header, "secret", now)
    assert is_genuine(b"body", header, "secret", now + 299)
    assert not is_genuine(b"body", header, "secret", now + 301), "replayed"
    assert not is_genuine(b"other", header, "secret", now)
    assert not is_genuine(b"body", header, "public", now)


def test_receiver_gets_the_body_and_the_signature(receiver: HTTPServer) -> None:
    post_http(address(receiver, 204), b"{}", {SIGNATURE: "t=1,v1=ab"})
    ((path, headers, content),) = receiver.received  # type: ignore[attr-defined]
    assert (path, content) == ("/204", b"{}")
    assert {name.lower(): value for name, value in headers.items()}[SIGNATURE.lower()] == (
        "t=1,v1=ab"
    )


def address(receiver: HTTPServer, status: int) -> str:
    return f"http://127.0.0.1:{receiver.server_port}/{status}"


@pytest.mark.parametrize("status", [301, 302, 307, 308, 400, 404, 500])
def test_other_status_is_not_delivered_and_no_redirect_is_followed(
    receiver: HTTPServer, status: int
) -> None:
    with pytest.raises(NotDelivered, match=f"^the receiver answered HTTP {status}$"):
        post_http(address(receiver, status), b"{}", {})
    assert len(receiver.received) == 1  # type: ignore[attr-defined]


def test_error_for_an_unreachable_receiver_omits_its_address() -> None:
    with socket.socket() as bound:
        # Bound but not listening, so that no other process can answer on the port.
        bound.bind(("127.0.0.1", 0))
        with pytest.raises(NotDelivered) as failed:
            post_http(f"http://127.0.0.1:{bound.getsockname()[1]}/secret-token", b"{}", {})
    assert str(failed.value) == "the receiver cannot be reached: Connection refused"


NO_PROXY = ("no_proxy", "NO_PROXY", "http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy")


@pytest.fixture
def proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy in the environment, at which nothing listens."""
    for name in NO_PROXY:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HTTP_PROXY", "http://user:password@127.0.0.1:1")
    monkeypatch.setenv("no_proxy", "direct.example")


@pytest.mark.usefixtures("proxy")
@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://hooks.example/x", True),
        ("https://hooks.example/x", False),
        ("http://direct.example/x", False),
        ("http://127.0.0.1:8000/x", False),
        ("http://127.8.9.10/x", False),
        ("http://[::1]:8000/x", False),
        ("http://localhost/x", False),
        ("http://LOCALHOST:80/x", False),
        ("http://hooks.localhost/x", False),
        ("http://10.0.0.7/x", True),
    ],
)
def test_a_proxy_never_leads_to_this_machine(url: str, expected: bool) -> None:
    assert uses_proxy(url) is expected


@pytest.mark.usefixtures("proxy")
def test_a_receiver_on_this_machine_is_reached_without_the_proxy(receiver: HTTPServer) -> None:
    post_http(f"http://127.0.0.1:{receiver.server_port}/200", b"{}", {})
    assert len(receiver.received) == 1  # type: ignore[attr-defined]


@pytest.mark.usefixtures("proxy")
def test_a_proxy_that_fails_is_named_without_its_address() -> None:
    with pytest.raises(NotDelivered) as caught:
        post_http("http://hooks.example/secret", b"{}", {})
    assert str(caught.value) == (
        "the receiver cannot be reached through the proxy of the environment: Connection refused"
    )
