import random
import uuid
from itertools import pairwise

import pytest

from storage.serving.deployments import in_canary_share


def random_ids(count: int, seed: int = 4) -> list[uuid.UUID]:
    generator = random.Random(seed)
    return [uuid.UUID(int=generator.getrandbits(128), version=4) for _ in range(count)]


@pytest.mark.parametrize("share", [0.001, 0.1, 0.5, 0.9])
def test_the_canary_gets_its_share_of_random_jobs(share: float) -> None:
    count = sum(in_canary_share(job, share) for job in random_ids(10_000))
    # Four standard deviations of the binomial distribution.
    assert abs(count - 10_000 * share) < 4 * (10_000 * share * (1 - share)) ** 0.5


def test_a_larger_share_only_adds_jobs() -> None:
    jobs = random_ids(1_000)
    shares = (0.0, 0.01, 0.1, 0.3, 0.99, 1.0)
    selected = [{job for job in jobs if in_canary_share(job, share)} for share in shares]
    assert selected[0] == set() and selected[-1] == set(jobs)
    assert all(smaller < larger for smaller, larger in pairwise(selected))


def test_a_job_is_in_the_same_shares_in_every_release() -> None:
    """The SHA-256 of 16 zero bytes begins with 0x3747, which is 0.2159 as a fraction."""
    assert in_canary_share(uuid.UUID(int=0), 0.216) and not in_canary_share(
        uuid.UUID(int=0), 0.2159
    )
