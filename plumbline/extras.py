"""The optional extras of the distribution, as its metadata lists them."""

from __future__ import annotations

import re
from collections import defaultdict

DISTRIBUTION = "plumbline-scoring"
NAME = re.compile(r"[\w.-]+")
EXTRA = re.compile(r"extra == ['\"]([\w-]+)['\"]")
# For developers, who install everything.
DEVELOPMENT = "dev"
# Distributions that are not named like their module.
DISTRIBUTIONS = {"pynvml": "nvidia-ml-py", "minisign": "py-minisign"}


def extra_of(module: str) -> str | None:
    """Return the smallest extra that installs a module; None if no extra does."""
    # It takes as long to import as all else that a probe needs, and only errors lead here.
    from importlib import metadata

    top = module.partition(".")[0]
    wanted = DISTRIBUTIONS.get(top, top).replace("_", "-").lower()
    members: dict[str, set[str]] = defaultdict(set)
    try:
        requirements = metadata.requires(DISTRIBUTION) or []
    except metadata.PackageNotFoundError:
        return None
    for requirement in requirements:
        name, extra = NAME.match(requirement), EXTRA.search(requirement)
        if name is not None and extra is not None and extra[1] != DEVELOPMENT:
            members[extra[1]].add(name[0].lower())
    extras = [extra for extra, names in members.items() if wanted in names]
    return min(extras, key=lambda extra: (len(members[extra]), extra), default=None)
