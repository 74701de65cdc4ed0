"""Notices to a webhook: signed, sent at least once, in order for each alert.

`docs/quality.md` tells the receiver what comes and how to check that it is ours.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
from collections.abc import Callable
from http.client import HTTPException
from time import monotonic, time
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import HTTPRedirectHandler, Request, build_opener

from sqlalchemy import Engine

from plumbline.settings import Settings
from plumbline.version import __version__
from storage.database import clear_errors
from storage.reports import alerts
from storage.reports.alerts import Notice

log = logging.getLogger(__name__)
SIGNATURE = "X-Plumbline-Signature"
TIMEOUT_S = 5.0
# What is left is due at the next evaluation; until then other reports have their turn.
LONGEST_RUN_S = 30.0
FIRST_PAUSE_S = 30.0
LONGEST_PAUSE_S = 3_600.0
GIVE_UP_S = 86_400.0

Post = Callable[[str, bytes, dict[str, str]], None]


class NotDelivered(Exception):
    """The receiver did not take the notice; its message says why, and names no address."""


class NoRedirects(HTTPRedirectHandler):
    """A signed body goes to the address that was set, and nowhere else."""

    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        return None


def deliver(engine: Engine, settings: Settings, post: Post | None = None) -> int:
    """Send what is due; return how many arrived. It ends at the first that does not.

    Raises StorageError with one sentence.
    """
    if settings.alert_webhook_url is None or settings.alert_webhook_secret is None:
        return 0
    url = settings.alert_webhook_url.get_secret_value()
    secret = settings.alert_webhook_secret.get_secret_value()
    arrived, until = 0, monotonic() + LONGEST_RUN_S
    while monotonic() < until:
        with clear_errors(engine), engine.begin() as connection:
            notice = alerts.claim_notice(connection, FIRST_PAUSE_S, LONGEST_PAUSE_S)
        if notice is None or not send(engine, notice, url, secret, post or post_http):
            break
        arrived += 1
    return arrived


def send(engine: Engine, notice: Notice, url: str, secret: str, post: Post) -> bool:
    """Send one notice, and write what became of it."""
    content = body(notice)
    headers = {
        "Content-Type": "application/json",
        "User-Agent": f"plumbline/{__version__}",
        SIGNATURE: signature(content, secret, int(time())),
    }
    try:
        post(url, content, headers)
    except NotDelivered as error:
        with clear_errors(engine), engine.begin() as connection:
            given_up = alerts.failed(connection, notice, str(error), GIVE_UP_S)
        outcome = "it is given up" if given_up else "it is sent again later"
        log.warning(
            "notice %d/%s did not arrive (attempt %d): %s; %s",
            *(notice.id, notice.status, notice.attempts, error, outcome),
        )
        return False
    with clear_errors(engine), engine.begin() as connection:
        alerts.delivered(connection, notice)
    return True


def body(notice: Notice) -> bytes:
    """JSON; `id` and `status` together are the same however often it is sent."""
    told = {
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
    return json.dumps(told, ensure_ascii=False).encode()


def signature(content: bytes, secret: str, at: int) -> str:
    """`t=<unix time>,v1=<hex HMAC-SHA256 of "t.body">`, so that an old notice cannot be replayed.

    The scheme is that of Stripe's webhooks.
    """
    digest = hmac.new(secret.encode(), f"{at}.".encode() + content, hashlib.sha256)
    return f"t={at},v1={digest.hexdigest()}"


def post_http(url: str, content: bytes, headers: dict[str, str]) -> None:
    """POST; raises NotDelivered for all but a 2xx answer. No answer's body is read."""
    request = Request(url, data=content, headers=headers, method="POST")
    try:
        with build_opener(NoRedirects).open(request, timeout=TIMEOUT_S):
            return
    except HTTPError as error:
        error.close()
        raise NotDelivered(f"it answered HTTP {error.code}") from None
    except URLError as error:
        raise NotDelivered(f"it cannot be reached: {_reason(error.reason)}") from None
    except TimeoutError:
        raise NotDelivered(f"it did not answer within {TIMEOUT_S:g} s") from None
    except (OSError, HTTPException, ValueError) as error:
        raise NotDelivered(f"it cannot be spoken to: {type(error).__name__}") from None


def _reason(reason: object) -> str:
    """An operating system's words name no address; other texts may."""
    if isinstance(reason, OSError):
        return reason.strerror or type(reason).__name__
    return type(reason).__name__
