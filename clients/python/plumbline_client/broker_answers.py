"""Answers of Redis that do not pass by themselves, and what to do about each."""

from __future__ import annotations

from plumbline_client.broker_url_parser import masked_broker_url
from plumbline_client.errors import BrokerRefuses, BrokerUnavailable

LOGIN = "correct the user and the password in the broker URL"
# By a part of the answer's words.
CURES = {
    "NOAUTH": LOGIN,
    "WRONGPASS": LOGIN,
    "invalid password": LOGIN,
    "without any password": "remove the password from the broker URL",
    "no password is set": "remove the password from the broker URL",
    "NOPERM": "give the user the rights that `plumbline redis acl` prints for it, or use another "
    "user in the broker URL",
    "unknown command": "use Redis 6.2 or later",
    "DB index": "use one of its database numbers in the broker URL",
    "DENIED": "let it accept connections from this machine",
    "NOPROTO": "use Redis 6.2 or later",
}


def cure(answer: str) -> str | None:
    """Return what to do about an answer that does not pass by itself, otherwise None."""
    return next((what for words, what in CURES.items() if words in answer), None)


def refusal(url: str, answer: str) -> BrokerRefuses:
    """Return the error for an answer in Redis's own words."""
    remedy = cure(answer)
    sentence = f"Redis at {masked_broker_url(url)} refuses: {answer.rstrip('.')}"
    sentence += f"; {remedy}." if remedy else "."
    return BrokerRefuses(sentence, answer, may_pass=remedy is None)


def unreachable(url: str, reason: str) -> BrokerUnavailable:
    """Return the error for a server that did not answer."""
    return BrokerUnavailable(
        f"Redis at {masked_broker_url(url)} cannot be reached: {reason.rstrip('.')}."
    )
