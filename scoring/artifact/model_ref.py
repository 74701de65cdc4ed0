"""References to model versions: a name and a semantic version, as in "sms-spam/1.0.0"."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import total_ordering

from scoring.errors import ArtifactMissing

NAME = re.compile(r"[a-z0-9][a-z0-9_.-]*")
VERSION = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)")


@total_ordering
@dataclass(frozen=True, slots=True)
class ModelRef:
    """Ordered by name, then by version as numbers."""

    name: str
    version: tuple[int, int, int]

    @classmethod
    def parse(cls, ref: str) -> ModelRef:
        """Parse "name/1.2.3". Raises `ArtifactMissing` for any other form, which cannot exist."""
        name, _, version = ref.partition("/")
        numbers = VERSION.fullmatch(version)
        if not NAME.fullmatch(name) or numbers is None:
            raise ArtifactMissing(
                f"{ref!r} is not a model version; write NAME/VERSION, as in sms-spam/1.0.0."
            )
        major, minor, patch = (int(number) for number in numbers.groups())
        return cls(name, (major, minor, patch))

    @property
    def semver(self) -> str:
        return ".".join(str(number) for number in self.version)

    def __str__(self) -> str:
        return f"{self.name}/{self.semver}"

    def __lt__(self, other: ModelRef) -> bool:
        return (self.name, self.version) < (other.name, other.version)
