"""Every setting, once: its name, type, default and one line of documentation.

Read from the environment (PLUMBLINE_ and the field's name in capitals) and from `.env`.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from plumbline.errors import SettingsInvalid

PREFIX = "PLUMBLINE_"


class Settings(BaseSettings):
    """Plumbline's settings. `Settings.read()` gives them or one clear sentence."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_file=".env", extra="ignore", frozen=True, env_ignore_empty=True
    )

    database_url: SecretStr | None = Field(
        None,
        description="postgresql://user:password@host:5432/name; unset: embedded.",
    )
    broker_url: SecretStr | None = Field(
        None, description="redis://:password@host:6379/0; unset: embedded."
    )
    state_dir: Path = Field(
        Path(".plumbline"), description="Where the embedded servers and drift reports live."
    )
    models_dir: Path = Field(Path("models"), description="The folder of model versions.")
    model: str = Field(
        "sms-spam", description="What serves until a version is promoted: NAME or NAME/VERSION."
    )
    source: str = Field(
        "default", description="Who submits, where a call does not say; part of a key's identity."
    )
    max_text_chars: int = Field(
        200_000, ge=1, description="Longest text accepted, in characters; longer ones are rejected."
    )
    message_size: int = Field(
        64, ge=1, le=1_000, description="Texts the client puts into one message."
    )
    max_backlog: int = Field(
        1_000_000,
        ge=1,
        description="While so many texts wait, `submit` waits or refuses, as its caller chose.",
    )
    lease_s: float = Field(
        15.0,
        gt=0,
        description="How long a worker that died keeps its texts; one at work renews this.",
    )
    text_timeout_s: float = Field(
        120.0, gt=0, description="Longest a text may be scored; its process is then ended."
    )
    child_memory_mb: int = Field(
        2048, ge=0, description="MiB a scoring process may take, its model included; 0: no limit."
    )
    max_attempts: int = Field(
        3, ge=1, le=100, description="Claims after which a text that never finished is quarantined."
    )
    sweep_every_s: float = Field(
        5.0, gt=0, description="How often the sweeper looks for lost wake-ups and dead leases."
    )
    republish_after_s: float = Field(
        60.0,
        gt=0,
        description="How long a job may wait before its wake-up is sent again.",
    )
    concurrency: int = Field(
        2, ge=1, description="Scoring processes `plumbline up` starts; one a core is right."
    )
    drift_every_s: float = Field(3600.0, gt=0, description="How often a drift report is made.")
    drift_window_s: float = Field(
        86_400.0, gt=0, description="How far back a drift report looks, in seconds."
    )
    drift_max_rows: int = Field(
        10_000, ge=1, description="At most so many of the newest predictions enter a drift report."
    )
    drift_min_rows: int = Field(
        30, ge=2, description="With fewer predictions a drift report says so and does not judge."
    )
    drift_alpha: float = Field(
        0.05, gt=0, lt=1, description="False-alarm rate of a whole report, shared by its columns."
    )
    log_level: str = Field("INFO", description="DEBUG, INFO, WARNING or ERROR.")

    @classmethod
    def read(cls) -> Settings:
        """Read the environment; raise `SettingsInvalid` naming the variable that is wrong."""
        try:
            return cls()
        except ValidationError as error:
            first = error.errors()[0]
            name = PREFIX + "_".join(str(part) for part in first["loc"]).upper()
            raise SettingsInvalid(f"{name} is not usable: {first['msg']}.") from error

    @property
    def reports_dir(self) -> Path:
        return self.state_dir / "reports"

    def masked(self) -> dict[str, str]:
        """Every setting as it may be shown: secrets as stars."""
        return {name: str(getattr(self, name)) for name in type(self).model_fields}
