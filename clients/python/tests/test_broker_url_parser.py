from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plumbline_client.broker_url import BrokerUrl
from plumbline_client.broker_url_parser import parse_broker_url
from plumbline_client.errors import BrokerUnavailable, BrokerUrlInvalid
from plumbline_client.urls import masked

REQUIRED = {"ssl_cert_reqs": "required", "ssl_check_hostname": True}


@pytest.mark.parametrize(
    ("url", "parsed"),
    [
        ("redis://host", BrokerUrl(host="host")),
        ("redis://", BrokerUrl()),
        ("redis://host:/", BrokerUrl(host="host")),
        ("redis://host:1/2/", BrokerUrl(host="host", port=1, database=2)),
        ("REDIS://Host/1", BrokerUrl(host="Host", database=1)),
        (' "redis://host/1"\r\n', BrokerUrl(host="host", database=1)),
        ("redis://host?db=3", BrokerUrl(host="host", database=3)),
        ("redis://host/3?db=3", BrokerUrl(host="host", database=3)),
        ("redis://host/?virtual_host=3", BrokerUrl(host="host", database=3)),
        ("redis://[::1]", BrokerUrl(host="::1")),
        ("redis://:pw@[::1]:1/2", BrokerUrl(host="::1", port=1, database=2, password="pw")),
        ("redis://[fe80::1%25eth0]:1", BrokerUrl(host="fe80::1%eth0", port=1)),
        ("redis://me@host", BrokerUrl(host="host", user="me")),
        ("redis://me:@host", BrokerUrl(host="host", user="me")),
        ("redis://:pw@/4", BrokerUrl(password="pw", database=4)),
        (
            "redis://host?password=p+w&username=me",
            BrokerUrl(host="host", user="me", password="p+w"),
        ),
        ("redis://host/0?password=p@w", BrokerUrl(host="host", password="p@w")),
        ("redis://me@host?password=pw", BrokerUrl(host="host", user="me", password="pw")),
        ("rediss://host", BrokerUrl(host="host", tls=REQUIRED)),
        (
            "rediss://host?ssl_cert_reqs=CERT_NONE",
            BrokerUrl(host="host", tls={"ssl_cert_reqs": "none", "ssl_check_hostname": False}),
        ),
        (
            "rediss://host?ssl_ca_certs=/a%20b.pem&ssl_check_hostname=no",
            BrokerUrl(
                host="host",
                tls=REQUIRED | {"ssl_ca_certs": "/a b.pem", "ssl_check_hostname": False},
            ),
        ),
        ("unix:///run/r.sock", BrokerUrl(socket="/run/r.sock")),
        ("unix:///a%20@b/r.sock?db=2", BrokerUrl(socket="/a @b/r.sock", database=2)),
        ("unix://me:pw@/r.sock", BrokerUrl(socket="/r.sock", user="me", password="pw")),
        ("unix://:p/w@/r.sock", BrokerUrl(socket="/r.sock", password="p/w")),
        ("unix:///r.sock?password=pw", BrokerUrl(socket="/r.sock", password="pw")),
        ("redis+socket:///r.sock?virtual_host=2", BrokerUrl(socket="/r.sock", database=2)),
    ],
)
def test_valid_urls(url: str, parsed: BrokerUrl) -> None:
    assert parse_broker_url(url) == parsed
    assert parse_broker_url(parsed.url) == parsed


@pytest.mark.parametrize(
    "password",
    ["p/w", "p#w", "p@w", "p:w", "p%w", "p w", "p?w", "p&w", "p+w", "p[w", "p]w", "p;w", "p,w",
     "a@b/c", "12/34", "x/1?y", "\u2100", "\\", "'", '"', "***", "=", "/", "@", "#?"],
)  # fmt: skip
def test_passwords_with_unencoded_characters(password: str) -> None:
    expected = BrokerUrl(host="host", port=1, user="me", password=password)
    assert parse_broker_url(f"redis://me:{password}@host:1/0") == expected


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("", "does not start with redis://"),
        ("host:6379", "does not start with redis://"),
        ("amqp://me:secret@host", "does not start with redis://"),
        ("redis:/host", "does not start with redis://"),
        ("redis://:secret", "no valid port"),
        ("redis://host:0", "no valid port"),
        ("redis://host:65536", "no valid port"),
        ("redis://host:+1", "no valid port"),
        ("redis://host:٣", "no valid port"),
        ("redis://::1:6379/0", "no valid port"),
        ("redis://[::1", "no closing bracket"),
        ("redis://[::1]6379", "no closing bracket"),
        ("redis://[host]", "no valid IPv6 address"),
        ("redis://ho st", "no valid host"),
        ("redis://ho#st", "no valid host"),
        ("redis://host/secret", "no valid database"),
        ("redis://host/-1", "no valid database"),
        ("redis://host/1/2", "no valid database"),
        ("redis://host/99999999999", "no valid database"),
        ("redis://host?db=secret", "no valid database"),
        ("redis:///run/redis.sock", "unix:///"),
        ("redis://host/0#1", "no valid database"),
        ("redis://host/0?db=1", "two different values for its database"),
        ("redis://:a@host?password=b", "two different values for its password"),
        ("redis://a@host?username=b", "two different values for its user"),
        ("redis://host?db=1&db=1", "names the option db twice"),
        ("redis://host?secret", "not among those"),
        ("redis://host?socket_timeout=1", "not among those"),
        ("redis://host?credential_provider=a.b", "not among those"),
        ("redis://host:6379/name?password=a@b", "no valid database"),
        ("redis://host?ssl_cert_reqs=none", "start it with rediss://"),
        ("rediss://host?ssl_cert_reqs=secret", "ssl_cert_reqs"),
        ("rediss://host?ssl_check_hostname=secret", "ssl_check_hostname"),
        ("unix://run/redis.sock", "absolute path"),
        ("unix://", "absolute path"),
        ("unix:///r.sock?ssl_cert_reqs=none", "TLS on a socket"),
        ("unix:///r%00.sock", "null byte"),
        ("redis://:%ff@host", "not UTF-8"),
        ("redis://:a\nb@host", "control character"),
        ("redis://a:1,b:2/0", "several servers"),
        ("redis://a,b/0", "several servers"),
        ("redis://:pw@a:1,b:2/0", "several servers"),
        ("redis://:pw@a:1,:pw@b:2/0", "several servers"),
        ("redis://:pw@a/0;redis://:pw@b/0", "several servers"),
        ("redis://a/0,redis://b/0", "several servers"),
        ("sentinel://a:26379/name", "several servers"),
        ("redis+sentinel://a:26379/name", "several servers"),
        ("redis-cluster://a", "several servers"),
    ],
)
def test_invalid_urls_are_refused_in_one_sentence(url: str, reason: str) -> None:
    with pytest.raises(BrokerUrlInvalid, match=reason) as refused:
        parse_broker_url(url)
    assert isinstance(refused.value, BrokerUnavailable)
    sentence = str(refused.value)
    assert sentence.startswith("The broker URL ") and sentence.endswith(".")
    assert "secret" not in sentence and "\n" not in sentence
    assert refused.value.__cause__ is None


PLACES = [
    "redis://:{}@127.0.0.1:1/0",
    "redis://me:{}@127.0.0.1:1/0?db=0",
    "redis://{}@127.0.0.1:1/0",
    "redis://:{}@",
    "redis://127.0.0.1:{}/0",
    "redis://127.0.0.1:1/{}",
    "redis://127.0.0.1:1/0?password={}",
    "redis://127.0.0.1:1/0?password={}&db=0",
    "redis://127.0.0.1:1/0?{}",
    "redis://127.0.0.1:1/0?{}=1",
    "redis://127.0.0.1:1/0#{}",
    "redis://:x@127.0.0.1:1/0?password={}",
    "rediss://127.0.0.1:1/0?ssl_password={}",
    "rediss://127.0.0.1:1/0?ssl_cert_reqs={}",
    "unix://:{}@/run/redis.sock",
    "unix://{}@/run/redis.sock?db=1",
    "unix:///run/redis.sock?password={}",
    "redis+socket://me:{}@/run/redis.sock?virtual_host=1",
    "redis://a:1,:{}@b:2/0",
    "sentinel://:{}@a:1/name",
    "amqp://me:{}@host/0",
    "{}",
    "{}://host",
    "redis:{}@host",
    "\"redis://:{}@host\"\n",
]  # fmt: skip
# Every kind of character, and often the ones with a meaning in URLs.
SECRET_CHARACTERS = st.sampled_from("/#@?:%&=+;,[] .\\'\"\n\0aB09é\U0001f511") | st.characters()
SECRETS = st.text(SECRET_CHARACTERS, max_size=12).map(lambda inner: f"Pa{inner}sS")


@given(place=st.sampled_from(PLACES), secret=SECRETS, encode=st.booleans())
def test_no_output_holds_a_secret(place: str, secret: str, encode: bool) -> None:
    forms = {secret, quote(secret, safe="", errors="replace")}
    url = place.replace("{}", quote(secret, safe="", errors="replace") if encode else secret)
    outputs = [masked(url)]
    try:
        broker = parse_broker_url(url)
    except BrokerUrlInvalid as error:
        outputs.append(f"{error!r} {error}")
    else:
        outputs += [repr(broker), broker.masked]
        assert parse_broker_url(broker.url) == broker
    for output in outputs:
        assert not any(form in output for form in forms)


@given(password=st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_an_encoded_password_arrives_as_it_is(password: str) -> None:
    encoded = quote(password, safe="")
    for url in (f"redis://:{encoded}@host", f"unix:///r.sock?password={encoded}"):
        assert parse_broker_url(url).redis_options()["password"] == password
