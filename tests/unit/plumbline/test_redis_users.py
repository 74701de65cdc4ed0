import pytest

from plumbline import redis_users
from plumbline.redis_users import SourceWithoutList, password_rule, setuser_command


def test_rights_replace_all_earlier_ones_and_name_what_is_allowed() -> None:
    rights = redis_users.producer("billing").rights().split()
    assert rights[:3] == ["resetkeys", "resetchannels", "-@all"]
    assert "~plumbline:plumbline.score@billing" in rights
    assert rights[-4:] == ["+lpush", "+ping", "+client|setinfo", "+client|setname"]


def test_no_user_of_another_program_may_use_a_category_of_commands() -> None:
    for user in (redis_users.producer(), redis_users.worker(), redis_users.monitor()):
        assert not any("@" in rule for rule in user.rules)
        assert all(pattern.startswith("plumbline:") for pattern in user.keys)


def test_rights_suit_the_server_and_the_url() -> None:
    user = redis_users.monitor()
    assert "+client|setinfo" not in user.rights(setinfo=False)
    assert user.rights(select=True) == user.rights() + " +select"


def test_a_user_that_exists_keeps_its_password() -> None:
    user = redis_users.worker()
    assert setuser_command(user, "pw", "+ping") == "ACL SETUSER worker on resetpass >pw +ping"
    assert setuser_command(user, None, "+ping") == "ACL SETUSER worker +ping"


def test_a_password_is_configured_as_its_hash() -> None:
    digest = "30c952fab122c3f9759f02a6d95c3758b246b4fee239957b2d4fee46e26170c4"
    assert password_rule("pw") == f"#{digest}"


@pytest.mark.parametrize("source", ["", "a b", "a*", "é", "x" * 101])
def test_a_source_whose_name_no_list_can_have_gets_no_user(source: str) -> None:
    with pytest.raises(SourceWithoutList, match="1 to 100 letters"):
        redis_users.producer(source)
