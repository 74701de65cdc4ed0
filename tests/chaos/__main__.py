"""`python -m tests.chaos`: run the proof at any size. Exit 1 and print the evidence if it fails."""

from __future__ import annotations

import argparse
import math
import sys
import tempfile
from pathlib import Path

from tests.chaos.run import Size, run

MIN_TIMEOUT_S = 1_800.0
JOB_TIMEOUT_S = 0.1
KILL_TIMEOUT_S = 15.0


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--jobs", type=int, default=10_000)
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--poisons", type=int, default=4, help="of each of the three kinds")
    parser.add_argument(
        "--outage-s",
        type=float,
        default=20.0,
        help="how long Redis and PostgreSQL stay down once, and how long a disturbance lasts",
    )
    parser.add_argument(
        "--stop-after-s",
        type=float,
        default=math.inf,
        help="submit and kill for so long only, and audit what was submitted",
    )
    parser.add_argument("--timeout-s", type=float, help="default: by jobs and kills")
    parser.add_argument(
        "--bare-only",
        action="store_true",
        help="submit only bare Celery messages, with one text each",
    )
    parser.add_argument("--folder", type=Path, help="folder for the logs; default: a temporary one")
    options = parser.parse_args()
    size = Size(
        options.jobs,
        options.kills,
        options.seed,
        poisons=options.poisons,
        outage_s=options.outage_s,
        bare_only=options.bare_only,
        stop_after_s=options.stop_after_s,
        timeout_s=options.timeout_s or default_timeout_s(options.jobs, options.kills),
    )
    folder = options.folder or Path(tempfile.mkdtemp(prefix="plumbline-chaos-"))
    folder.mkdir(parents=True, exist_ok=True)
    print(f"seed {size.seed}, logs in {folder}")  # noqa: T201
    report = run(size, folder, print_progress)
    for line in report.lines():
        print(line)  # noqa: T201
    return 0 if report.passed else 1


def default_timeout_s(jobs: int, kills: int) -> float:
    return max(MIN_TIMEOUT_S, JOB_TIMEOUT_S * jobs + KILL_TIMEOUT_S * kills)


def print_progress(line: str) -> None:
    print(line, file=sys.stderr, flush=True)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main())
