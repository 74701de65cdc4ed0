from datetime import timedelta

import pytest

from plumbline_client.durations import LONGEST, storable_duration


@pytest.mark.parametrize(
    ("duration", "stored"),
    [
        (timedelta(minutes=10), timedelta(minutes=10)),
        (timedelta(0), timedelta(0)),
        (timedelta.max, LONGEST),
        (timedelta.min, -LONGEST),
    ],
)
def test_durations_that_postgresql_cannot_add_are_shortened(
    duration: timedelta, stored: timedelta
) -> None:
    assert storable_duration(duration) == stored
