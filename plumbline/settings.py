"""Every setting, once: its name, type, default and one line of documentation.

Read from the environment (PLUMBLINE_ and the field's name in capitals) and from `.env`.
"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from plumbline.errors import SettingsInvalid

PREFIX = "PLUMBLINE_"
FOLDERS = ("state_dir", "models_dir", "evidently_workspace")
# Where `evidently_workspace` is this, there is none.
NOWHERE = Path("off")


class LogFormat(StrEnum):
    TEXT = "text"
    JSON = "json"


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
    drift_window_rows: int = Field(
        0, ge=0, description="Instead of a time: how many of the newest predictions; 0: by time."
    )
    drift_max_rows: int = Field(
        10_000, ge=1, description="At most so many of the newest predictions enter a drift report."
    )
    drift_min_rows: int = Field(
        30, ge=2, description="With fewer predictions a drift report says so and does not judge."
    )
    drift_alpha: float = Field(
        0.01,
        gt=0,
        lt=1,
        description="False-alarm rate of all reports made together, shared by them.",
    )
    drift_reference: Literal["profile", "window"] = Field(
        "profile", description="What is compared with: the version's profile, or earlier traffic."
    )
    drift_reference_s: float = Field(
        604_800.0, gt=0, description="How much earlier traffic, in seconds before the window."
    )
    drift_text: bool = Field(
        False, description="Compare the texts themselves too, with earlier traffic only; English."
    )
    drift_pages: int = Field(
        50, ge=1, description="How many drift reports' pages, and runs in Evidently's UI, are kept."
    )
    evidently_workspace: Path | None = Field(
        None, description="Folder of Evidently's UI; unset: `evidently` in the state; off: none."
    )
    quality_every_s: float = Field(
        600.0, gt=0, description="How often quality reports are brought up to date."
    )
    quality_window_s: float = Field(
        86_400.0, ge=60, description="Width of a quality report's window; a day's is a UTC day."
    )
    alert_every_s: float = Field(60.0, gt=0, description="How often alerts are judged.")
    alert_clear_s: float = Field(
        120.0, ge=0, description="How long all must be well again before an alert is over."
    )
    alert_drift: bool = Field(
        True, description="Whether a drift report, or none for three periods, is an alert."
    )
    alert_estimated_accuracy: float = Field(
        0.9, ge=0, le=1, description="Alert when estimated accuracy is surely below; 0: never."
    )
    alert_realized_accuracy: float = Field(
        0.9, ge=0, le=1, description="Alert when labels say accuracy is surely below; 0: never."
    )
    alert_realized_f1: float = Field(
        0.8, ge=0, le=1, description="Alert when labels say F1 is surely below; 0: never."
    )
    alert_min_labels: int = Field(
        30, ge=1, description="Labels a window needs before its realized quality is judged."
    )
    alert_error_rate: float = Field(
        0.05,
        ge=0,
        le=1,
        description="Alert when a larger share ends quarantined or rejected; 0: never.",
    )
    alert_error_window_s: float = Field(
        900.0, gt=0, description="How far back the share of errors looks."
    )
    alert_error_min_rows: int = Field(
        50, ge=1, description="With fewer texts ended, the share of errors is not judged."
    )
    alert_queue_age_s: float = Field(
        600.0, ge=0, description="Alert when a text has waited longer; 0: never."
    )
    alert_webhook_secret: SecretStr | None = Field(
        None, description="Key of the signature each notice to the webhook carries."
    )
    alert_webhook_url: SecretStr | None = Field(
        None, description="http or https address that is told of alerts; wants the key above."
    )
    log_level: str = Field("INFO", description="DEBUG, INFO, WARNING or ERROR.")
    log_format: LogFormat = Field(
        LogFormat.TEXT, description="How workers and beat log: text, or json, an object a line."
    )
    metrics_port: int = Field(
        0, ge=0, le=65_535, description="Where a worker serves Prometheus metrics; 0: nowhere."
    )
    metrics_host: str = Field(
        "127.0.0.1", description="The address it serves them on; 0.0.0.0: on all."
    )

    @field_validator("alert_webhook_url")
    @classmethod
    def can_be_told(cls, url: SecretStr | None, others: ValidationInfo) -> SecretStr | None:
        if url is None:
            return None
        parts = urlsplit(url.get_secret_value())
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("it is no http:// or https:// address")
        if not (secret := others.data.get("alert_webhook_secret")) or not secret.get_secret_value():
            raise ValueError("it wants PLUMBLINE_ALERT_WEBHOOK_SECRET beside it")
        return url

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

    @property
    def workspace_dir(self) -> Path | None:
        """Where Evidently's UI finds the reports; None where it is to have none."""
        if self.evidently_workspace == NOWHERE:
            return None
        return self.evidently_workspace or self.state_dir / "evidently"

    def from_anywhere(self) -> Settings:
        """The same, with folders that mean the same in another working directory."""
        folders = {name: getattr(self, name) for name in FOLDERS}
        kept = {n: f.resolve() for n, f in folders.items() if f is not None and f != NOWHERE}
        return self.model_copy(update=kept)

    def masked(self) -> dict[str, str]:
        """Every setting as it may be shown: secrets as stars."""
        return {name: str(getattr(self, name)) for name in type(self).model_fields}
