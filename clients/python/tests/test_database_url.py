from __future__ import annotations

import os
import pwd
from unittest.mock import patch

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from psycopg import pq
from psycopg.conninfo import conninfo_to_dict

from plumbline_client import database_url
from plumbline_client.database_url import DatabaseUrl
from plumbline_client.errors import DatabaseUrlInvalid

VARIABLES = [
    option.envvar.decode() for option in pq.Conninfo.get_defaults() if option.envvar is not None
]
EMBEDDED = (
    "postgresql://plumbline:secret@127.0.0.1:5432/plumbline"
    "?hostaddr=127.0.0.1&sslmode=disable&gssencmode=disable"
)


@pytest.mark.parametrize(
    ("url", "parameters"),
    [
        (
            "postgresql://me:pw@host:5432/name",
            {"user": "me", "password": "pw", "host": "host", "port": "5432", "dbname": "name"},
        ),
        ("POSTGRES://host/name", {"host": "host", "dbname": "name"}),
        ("postgresql+psycopg2://host/name", {"host": "host", "dbname": "name"}),
        (" postgresql://host/name\r\n", {"host": "host", "dbname": "name"}),
        ('"postgresql://host/name"\n', {"host": "host", "dbname": "name"}),
        ("postgresql:///name?host=/run/pg", {"host": "/run/pg", "dbname": "name"}),
        ("postgresql://%2Frun%2Fpg/name", {"host": "/run/pg", "dbname": "name"}),
        (
            "postgresql://me@[::1]:5/name",
            {"user": "me", "host": "::1", "port": "5", "dbname": "name"},
        ),
        ("postgresql://a:1,b:2/name", {"host": "a,b", "port": "1,2", "dbname": "name"}),
        ("postgresql://h/n?sslmode=require", {"host": "h", "dbname": "n", "sslmode": "require"}),
        ("postgresql://h/n?user=me@azure", {"host": "h", "dbname": "n", "user": "me@azure"}),
        ("postgresql://h/n?password=a@b/c", {"host": "h", "dbname": "n", "password": "a@b/c"}),
        ("postgresql://h/n%41%20b", {"host": "h", "dbname": "nA b"}),
    ],
)
def test_url_is_parsed_as_libpq_does(url: str, parameters: dict[str, str]) -> None:
    assert DatabaseUrl.parse(url).parameters == parameters


@pytest.mark.parametrize(
    "password",
    ["p@s/s#w%rd", "a/b", "a#b", "a b", "a:b", "a%zz", "100%", "pa?ss", "ä€", "a+b", "@"],
)
def test_password_needs_no_percent_encoding_where_its_end_is_clear(password: str) -> None:
    parsed = DatabaseUrl.parse(f"postgresql://me:{password}@host:1/name")
    assert parsed.parameters == {
        "user": "me", "password": password, "host": "host", "port": "1", "dbname": "name",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("mysql://host/name", "must start with postgresql://"),
        ("host/name", "must start with postgresql://"),
        ("host=host dbname=name", "must start with postgresql://"),
        ("", "must start with postgresql://"),
        ("postgresql://[host/name", "cannot be parsed; write it as postgresql://"),
        ("postgresql://me:secret@host:port/name", "no valid port; write it as postgresql://"),
        ("postgresql://host:65536/name", "no valid port"),
        ("postgresql://a:1,b/name?port=1,2,3", "names more or fewer ports than hosts"),
        ("postgresql://host/%ff", "cannot be parsed; write it as"),
        ("postgresql://me:%ff@host/name", "not UTF-8"),
        ("postgresql://me:secret@host/name?unknown=1", "cannot be parsed"),
        ("postgresql://me:sec?r/et@host/name", "cannot be parsed"),
        ("postgresql://me:sec\nret@host/name", "line break"),
        ("postgresql://me:sec%00ret@host/name", "cannot be parsed"),
        ("postgresql://me:sec\udcffret@host/name", "not UTF-8"),
        ("postgresql://host/name?service=other", "names a service of libpq"),
        ("postgresql://ho st/name", "no valid host"),
    ],
)
def test_url_that_cannot_work_is_refused_in_a_sentence(url: str, reason: str) -> None:
    with pytest.raises(DatabaseUrlInvalid, match=reason) as refused:
        DatabaseUrl.parse(url)
    assert str(refused.value).startswith("The database URL ") and str(refused.value).endswith(".")
    assert "secret" not in str(refused.value)


@given(
    secret=st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=4).map(
        lambda text: f"q{text}q"
    ),
    form=st.sampled_from(
        [
            "postgresql://me:{}@host:1/name",
            "postgresql://me:{}@a:1,b:2/name",
            "postgresql://host/name?password={}",
            "postgresql://host/name?sslpassword={}&user=me",
            "postgresql://me:{}",
            "postgres://:{}@host",
            "postgres://q/{}@host/name",
            "{}",
            "redis://:{}@host",
        ]
    ),
)
def test_secret_is_never_shown(secret: str, form: str) -> None:
    assume(secret not in form)
    try:
        shown = DatabaseUrl.parse(form.format(secret))
    except DatabaseUrlInvalid as error:
        assert secret not in str(error)
    else:
        if "password" in shown.parameters or "sslpassword" in shown.parameters:
            assert secret not in shown.server and secret not in repr(shown)
        elif "/" in shown.parameters.get("user", ""):
            assert secret not in shown.server


@given(
    environment=st.dictionaries(
        st.sampled_from(VARIABLES), st.text(st.characters(codec="ascii", exclude_characters="\0"))
    )
)
def test_no_variable_of_libpq_changes_the_embedded_servers_parameters(
    environment: dict[str, str],
) -> None:
    clean = DatabaseUrl.parse(EMBEDDED).conninfo()
    with patch.dict(os.environ, environment):
        assert DatabaseUrl.parse(EMBEDDED).conninfo() == clean
    stated = conninfo_to_dict(clean)
    unstated = [
        option.keyword.decode()
        for option in pq.Conninfo.get_defaults()
        if option.envvar is not None and option.keyword.decode() not in stated
    ]
    # The URL has a password, and libpq reads the file for nothing else.
    assert sorted(unstated) == ["passfile", "service"]


def test_environment_may_complete_the_tls_and_the_password_of_a_url() -> None:
    stated = conninfo_to_dict(DatabaseUrl.parse("postgresql://me@host/name").conninfo())
    left_open = {"sslmode", "sslrootcert", "sslcert", "sslkey", "password", "passfile"}
    assert not left_open & set(stated)
    decided = {"host", "hostaddr", "port", "user", "dbname", "options", "target_session_attrs"}
    assert decided <= set(stated)


def test_every_value_of_the_url_is_kept() -> None:
    url = "postgresql://me:pw@h:7/n?connect_timeout=2&application_name=app&options=-c%20a.b%3D1"
    stated = conninfo_to_dict(DatabaseUrl.parse(url).conninfo())
    assert stated["connect_timeout"] == "2" and stated["application_name"] == "app"
    assert stated["options"] == "-c a.b=1"


def test_client_encoding_is_always_utf8() -> None:
    url = DatabaseUrl.parse("postgresql://me@h/n?client_encoding=latin1")
    assert conninfo_to_dict(url.conninfo())["client_encoding"] == "UTF8"


def test_several_hosts_lead_to_the_primary_unless_the_url_says_otherwise() -> None:
    several = "postgresql://me@a,b/n"
    stated = conninfo_to_dict(DatabaseUrl.parse(several).conninfo())
    assert stated["target_session_attrs"] == "primary"
    chosen = DatabaseUrl.parse(f"{several}?target_session_attrs=any")
    assert conninfo_to_dict(chosen.conninfo())["target_session_attrs"] == "any"


def test_user_and_database_are_those_of_the_process_without_any_in_the_url(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PGUSER", "other")
    monkeypatch.setenv("USER", "other")
    user = pwd.getpwuid(os.geteuid()).pw_name
    stated = conninfo_to_dict(DatabaseUrl.parse("postgresql:///?host=/run/pg").conninfo())
    assert stated["user"] == stated["dbname"] == user


def test_process_without_a_user_name_needs_one_in_the_url(monkeypatch: pytest.MonkeyPatch) -> None:
    def nameless(_: int) -> pwd.struct_passwd:
        raise KeyError

    monkeypatch.setattr(database_url.pwd, "getpwuid", nameless)
    assert DatabaseUrl.parse("postgresql://me@host/name").user == "me"
    with pytest.raises(DatabaseUrlInvalid, match="names no user"):
        DatabaseUrl.parse("postgresql://host/name")


def test_user_or_database_that_may_hold_a_password_is_not_shown() -> None:
    for form in ("postgresql://swo/rd@host/name", "postgresql://swo%2Frd:pw@host/name"):
        url = DatabaseUrl.parse(form)
        assert "swo" not in url.server
        assert url.without_secrets('failed for user "swo/rd"') == 'failed for user "***"'
    assert DatabaseUrl.parse("postgresql://me@h/n#swo").masked == "postgresql://me@h/***"
    assert DatabaseUrl.parse("postgresql://me_1.x-y@h/n").masked == "postgresql://me_1.x-y@h/n"


def test_secrets_are_removed_from_the_servers_words() -> None:
    url = DatabaseUrl.parse("postgresql://me:hunter2@host/name?sslpassword=swordfish")
    assert url.without_secrets("no hunter2, no swordfish") == "no ***, no ***"
