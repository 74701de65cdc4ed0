import pytest

from plumbline.cli.task_change import task_change

LIVE, HAM_SPAM = "sms-spam/1.0.0", ("ham", "spam")


@pytest.mark.parametrize("live_labels", [HAM_SPAM, None])
def test_next_version_of_a_model_has_its_task(live_labels: tuple[str, str] | None) -> None:
    assert task_change(LIVE, live_labels, "sms-spam/2.0.0", HAM_SPAM) is None


@pytest.mark.parametrize("labels", [("calm", "angry"), ("spam", "ham"), ("ham", "Spam")])
def test_other_classes_are_another_task_whatever_the_name(labels: tuple[str, str]) -> None:
    for model in ("sms-spam/2.0.0", "tweets/1.0.0"):
        assert task_change(LIVE, HAM_SPAM, model, labels) == (
            f"{LIVE}, which is live, has the classes ham and spam, and {model} has "
            f"{labels[0]} and {labels[1]}"
        )


@pytest.mark.parametrize("live_labels", [HAM_SPAM, None])
def test_another_model_is_another_task(live_labels: tuple[str, str] | None) -> None:
    assert task_change(LIVE, live_labels, "tweets/1.0.0", HAM_SPAM) == (
        f"{LIVE}, which is live, and tweets/1.0.0 are versions of different models"
    )
