from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from plumbline.celery_environment import NAMES, USED_BY_RUNNING_CELERY, clean, cleaned, ignored

# The user's, and none of Celery's business.
KEPT = {"HOME": "/", "PATH": "/bin", "PYTHONPATH": "/x", "C_INCLUDE_PATH": "/x", "PLUMBLINE_X": "1"}


@given(
    st.sets(
        st.sampled_from(sorted(NAMES)) | st.from_regex("(CELERY|KOMBU_)[A-Z_]+", fullmatch=True)
    )
)
def test_a_child_gets_nothing_that_configures_celery(names: set[str]) -> None:
    assert cleaned(KEPT | dict.fromkeys(names, "x")) == KEPT


def test_a_running_process_keeps_what_celery_sets_itself() -> None:
    environment = KEPT | dict.fromkeys(NAMES, "x") | {"CELERY_LOG_LEVEL": "20", "CELERY_X": "x"}
    clean(environment)
    kept = (NAMES & USED_BY_RUNNING_CELERY) | {"CELERY_LOG_LEVEL"}
    assert environment.keys() == KEPT.keys() | kept


def test_the_names_of_ignored_variables_are_remembered() -> None:
    clean({"CELERY_SHOP_PASSWORD": "x"})
    assert "CELERY_SHOP_PASSWORD" in ignored()
