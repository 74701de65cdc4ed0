import pytest

from plumbline_client.url_syntax import UNKNOWN
from plumbline_client.urls import masked


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://localhost:6379/0", "redis://localhost:6379/0"),
        ("redis://:secret@localhost:6379/0", "redis://:***@localhost:6379/0"),
        ("rediss://me:se@cret@host/1", "rediss://me:***@host:6379/1"),
        ("redis://:se/cret@host", "redis://:***@host:6379/0"),
        ("redis://:se#cret@host", "redis://:***@host:6379/0"),
        ("redis://host/0?password=secret", "redis://:***@host:6379/0"),
        ("redis://:secret@[host", UNKNOWN),
        ("redis://:secret", UNKNOWN),
        ("localhost:6379", UNKNOWN),
        ("", UNKNOWN),
    ],
)
def test_masked_url_of_redis_hides_the_password(url: str, shown: str) -> None:
    assert masked(url) == shown


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://host/name", "postgresql://host/name"),
        ("postgres://me:secret@host:5432/name", "postgresql://me:***@host:5432/name"),
        ("POSTGRESQL://me:secret@host/name\n", "postgresql://me:***@host/name"),
        ("postgresql+psycopg://me:secret@host/name", "postgresql://me:***@host/name"),
        ("postgresql://me@host:1/name?password=secret", "postgresql://me:***@host:1/name"),
        ("postgresql://me:secret@a:1,b:2/name", "postgresql://me:***@a:1,b:2/name"),
        ("postgresql://me:secret@a,b/name?port=5", "postgresql://me:***@a:5,b:5/name"),
        ("postgresql://me:secret@[::1]:5/name", "postgresql://me:***@[::1]:5/name"),
        ("postgresql:///name?host=/run/pg", "postgresql:///name?host=/run/pg"),
        ("postgresql://me%40server:secret@host/name", "postgresql://me%40server:***@host/name"),
        ("postgresql://me:s/e#c%ret@host:1/name", "postgresql://me:***@host:1/name"),
        ("postgresql://me:se/cret@host:1/name", "postgresql://me:***@host:1/name"),
        ("postgresql://me:12/cret@host:1/name", "postgresql://me:***@host:1/name"),
        ("postgresql://me:se@cret@host:1/name", "postgresql://me:***@host:1/name"),
        ("postgresql://me:se?c/ret@host:1/name", UNKNOWN),
        ("postgresql://host/name?secret=secret", UNKNOWN),
        ("host=host password=secret", UNKNOWN),
    ],
)
def test_masked_url_of_postgresql_hides_the_password(url: str, shown: str) -> None:
    assert masked(url) == shown
