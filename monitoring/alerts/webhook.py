"""Sends alert notices to a webhook: signed, at least once, and in order for each alert.

`docs/quality.md` describes the request and how a receiver verifies its signature.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
from collections.abc import Callable
from http.client import HTTPException
from ipaddress import ip_address
from time import monotonic
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import (
    HTTPRedirectHandler,
    ProxyHandler,
    Request,
    build_opener,
    getproxies,
    proxy_bypass,
)

from sqlalchemy import Engine

from monitoring.alerts.bounded_http import BoundedHttp, BoundedHttps, Sockets
from plumbline.settings import Settings
from plumbline.version import __version__
from plumbline_client.deadline import call_within
from plumbline_client.errors import PlumblineError
from storage.database import translate_errors
from storage.reports import alerts
from storage.reports.alerts import Notice

log = logging.getLogger(__name__)
SIGNATURE = "X-Plumbline-Signature"
# For one notice, from the name of the receiver to the end of the answer's headers.
TIMEOUT_S = 10.0
# The remaining notices are sent at the next evaluation, so that other reports are not delayed.
MAX_RUN_S = 30.0
FIRST_PAUSE_S = 30.0
MAX_PAUSE_S = 3_600.0
GIVE_UP_S = 86_400.0

Post = Callable[[str, bytes, dict[str, str]], None]


class NotDelivered(PlumblineError):
    """The receiver did not accept the notice. The reason never contains its address."""


class NoRedirects(HTTPRedirectHandler):
    """Follows no redirect, so that a signed body is sent to the configured address only."""

    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        return None


def deliver(engine: Engine, settings: Settings, post: Post | None = None) -> int:
    """Send the due notices until one fails; return how many were delivered.

    Raises StorageError.
    """
    if settings.alert_webhook_url is None or settings.alert_webhook_secret is None:
        return 0
    url = settings.alert_webhook_url.get_secret_value()
    secret = settings.alert_webhook_secret.get_secret_value()
    delivered, deadline = 0, monotonic() + MAX_RUN_S
    while monotonic() < deadline:
        with translate_errors(engine), engine.begin() as connection:
            notice = alerts.claim_notice(connection, FIRST_PAUSE_S, MAX_PAUSE_S)
        if notice is None or not send(engine, notice, url, secret, post or post_http):
            break
        delivered += 1
    return delivered


def send(engine: Engine, notice: Notice, url: str, secret: str, post: Post) -> bool:
    """Send one notice and record the result; return whether it was delivered."""
    content = body(notice)
    headers = {
        "Content-Type": "application/json",
        "User-Agent": f"plumbline/{__version__}",
        SIGNATURE: signature(content, secret, int(notice.claimed_at.timestamp())),
    }
    try:
        post(url, content, headers)
    except NotDelivered as error:
        with translate_errors(engine), engine.begin() as connection:
            given_up = alerts.mark_failed(connection, notice, str(error), GIVE_UP_S)
        next_step = "giving up" if given_up else "it will be sent again"
        log.warning(
            "notice %d/%s was not delivered (attempt %d): %s; %s",
            *(notice.id, notice.status, notice.attempts, error, next_step),
        )
        return False
    with translate_errors(engine), engine.begin() as connection:
        alerts.mark_delivered(connection, notice)
    return True


def body(notice: Notice) -> bytes:
    """Return JSON. It is the same for every attempt; `id` and `status` together identify it."""
    document = {
        "id": notice.id,
        "status": notice.status,
        "rule": notice.rule,
        "subject": notice.subject,
        "severity": notice.severity,
        "message": notice.message,
        "value": notice.value,
        "threshold": notice.threshold,
        "raised_at": notice.raised_at.isoformat(),
        "resolved_at": notice.resolved_at.isoformat() if notice.resolved_at else None,
    }
    return json.dumps(document, ensure_ascii=False).encode()


def signature(content: bytes, secret: str, at: int) -> str:
    """Return `t=<unix time>,v1=<hex HMAC-SHA256 of "t.body">`.

    The time lets a receiver reject a replayed notice; it is PostgreSQL's, since a worker's clock
    may be wrong. The scheme is that of Stripe's webhooks.
    """
    digest = hmac.new(secret.encode(), f"{at}.".encode() + content, hashlib.sha256)
    return f"t={at},v1={digest.hexdigest()}"


def post_http(url: str, content: bytes, headers: dict[str, str]) -> None:
    """Send a POST request. Raises NotDelivered unless the status is 2xx. Reads no response body."""
    request = Request(url, data=content, headers=headers, method="POST")
    proxy = uses_proxy(url)
    sockets = Sockets()
    handlers = [NoRedirects(), BoundedHttp(sockets), BoundedHttps(sockets)]
    # An empty ProxyHandler replaces the one that reads the environment.
    opener = build_opener(*handlers, *([] if proxy else [ProxyHandler({})]))
    try:
        call_within(TIMEOUT_S, lambda: opener.open(request, timeout=TIMEOUT_S).close())
    except HTTPError as error:
        error.close()
        raise NotDelivered(f"the receiver answered HTTP {error.code}") from None
    except URLError as error:
        way = " through the proxy of the environment" if proxy else ""
        reason = _reason(error.reason)
        raise NotDelivered(f"the receiver cannot be reached{way}: {reason}") from None
    except TimeoutError:
        raise NotDelivered(f"the receiver did not answer within {TIMEOUT_S:g} s") from None
    except (OSError, HTTPException, ValueError) as error:
        raise NotDelivered(f"the request failed: {type(error).__name__}") from None
    finally:
        # Ends a thread that still reads.
        sockets.close()


def uses_proxy(url: str) -> bool:
    """Return whether a proxy of the environment, such as HTTPS_PROXY, leads to this address.

    None leads to this machine: a proxy elsewhere would take the address for its own.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    try:
        here = ip_address(host).is_loopback
    except ValueError:
        here = host == "localhost" or host.endswith(".localhost")
    return not here and parts.scheme in getproxies() and not proxy_bypass(host)


def _reason(reason: object) -> str:
    """Return a message of the operating system, which names no address; other messages may."""
    if isinstance(reason, OSError):
        return reason.strerror or type(reason).__name__
    if isinstance(reason, str):
        return "its kind of address is not supported"
    return type(reason).__name__
