"""All settings: name, type, default and description.

Values are read from environment variables, PLUMBLINE_ plus the field's name in capitals, and from
`.env`.
"""

from __future__ import annotations

import os
import re
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from plumbline.env_file import read_env_file
from plumbline.errors import SettingsInvalid
from plumbline.system_errors import cause_and_cure
from plumbline_client import defaults
from plumbline_client.broker_url_parser import parse_broker_url
from plumbline_client.url_syntax import cleaned
from plumbline_client.visible import one_line

PREFIX = "PLUMBLINE_"
ENV_FILE = Path(".env")
FOLDERS = ("state_dir", "models_dir", "weights_dir", "evidently_workspace")
# The value that switches off what a folder is for.
FOLDER_OFF = Path("off")
LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
LEVEL_ALIASES = {"WARN": "WARNING", "FATAL": "CRITICAL"}
# PostgreSQL's integers and Python's durations end here or later.
LARGEST_INTEGER = 2**31 - 1
LONGEST_S = 100 * 366 * 86_400.0
# Two letters of algorithm, eight bytes of key number and 32 of key, in base64.
PUBLIC_KEY = re.compile(r"RW[A-Za-z0-9+/]{54}")


class LogFormat(StrEnum):
    TEXT = "text"
    JSON = "json"


class Settings(BaseModel):
    """Plumbline's settings: the arguments, then the environment, then the defaults.

    `Settings.read()` reports an invalid value in one sentence.
    """

    model_config = ConfigDict(extra="ignore", frozen=True, allow_inf_nan=False)

    database_url: SecretStr | None = Field(
        None,
        description="postgresql://user:password@host:5432/name. Unset: the embedded server.",
    )
    broker_url: SecretStr | None = Field(
        None,
        description=(
            "redis://user:password@host:6379/0, rediss:// or unix://. Unset: the embedded server."
        ),
    )
    state_dir: Path = Field(
        Path(defaults.STATE_DIR),
        description="Folder for embedded servers, their logs and drift reports.",
    )
    models_dir: Path = Field(Path("models"), description="Folder that contains the model versions.")
    weights_dir: Path | None = Field(
        None,
        description="Folder of the packed weights that the scoring processes of a machine share. "
        "Unset: `weights` in the state folder. off: each process has its own.",
    )
    model: str = Field(
        "sms-spam",
        description="Model that serves until a version is promoted: NAME or NAME/VERSION.",
    )
    model_public_key: str | None = Field(
        None,
        description="minisign key in base64. If set, only versions signed with it are loaded.",
    )
    source: str = Field(
        defaults.SOURCE,
        description="Source of texts that are submitted without one; part of a key's identity.",
    )
    max_sources: int = Field(
        50,
        ge=1,
        le=1_000,
        description="Number of sources that reports and metrics name, the largest ones.",
    )
    max_text_chars: int = Field(
        defaults.MAX_TEXT_CHARS,
        ge=1,
        description="Maximum length of a text in characters. Longer texts are rejected.",
    )
    max_message_mb: int = Field(
        160,
        ge=1,
        le=512,
        description="Size in MiB above which a worker rejects a message; an eighth of "
        "PLUMBLINE_CHILD_MEMORY_MB above its first 256 is a limit too.",
    )
    message_size: int = Field(
        defaults.MESSAGE_SIZE,
        ge=1,
        le=1_000,
        description="Number of texts that the client puts into one message.",
    )
    max_backlog: int = Field(
        defaults.MAX_BACKLOG,
        ge=1,
        description="Queued texts at which `submit` waits or refuses, as its caller chooses.",
    )
    lease_s: float = Field(
        15.0,
        gt=0,
        description="Duration of a lease. A running worker renews its leases before they expire.",
    )
    text_timeout_s: float = Field(
        120.0,
        gt=0,
        description="Maximum time to score one text. After it, the scoring process is killed.",
    )
    child_memory_mb: int = Field(
        2048,
        ge=0,
        description="Memory limit of a scoring process in MiB, including its model. 0 disables.",
    )
    max_attempts: int = Field(
        3, ge=1, le=100, description="Failed attempts after which a text is quarantined."
    )
    sweep_every_s: float = Field(
        5.0,
        gt=0,
        description="Interval at which the sweeper looks for expired leases and lost wake-ups.",
    )
    republish_after_s: float = Field(
        60.0,
        gt=0,
        description="Time after which the wake-up of a job that is still queued is sent again.",
    )
    concurrency: int = Field(
        2,
        ge=1,
        description="Scoring processes that `plumbline up` starts. Use one per CPU core.",
    )
    drift_every_s: float = Field(3600.0, gt=0, description="Interval between drift reports.")
    drift_window_s: float = Field(
        86_400.0,
        gt=0,
        description="Length of a drift report's window, which ends when the report is made.",
    )
    drift_window_rows: int = Field(
        0,
        ge=0,
        description="Size of the window in predictions, the newest. 0: use the length in seconds.",
    )
    drift_max_rows: int = Field(
        10_000,
        ge=1,
        description="Maximum number of predictions in a drift report; the newest are used.",
    )
    drift_min_rows: int = Field(
        30, ge=2, description="Minimum number of predictions for which drift is tested."
    )
    drift_alpha: float = Field(
        0.01,
        gt=0,
        lt=1,
        description="False-alarm rate of one round of drift reports, divided among its reports.",
    )
    drift_reference: Literal["profile", "window"] = Field(
        "profile",
        description="Reference of drift reports: the version's validation texts (`profile`) or an "
        "earlier `window`.",
    )
    drift_reference_s: float = Field(
        604_800.0,
        gt=0,
        description="Length of an earlier reference window, which ends where the window starts.",
    )
    drift_text: bool = Field(
        False,
        description="Also compare the texts with an earlier window; for English texts only.",
    )
    drift_pages: int = Field(
        50,
        ge=1,
        description="Number of drift report pages to keep. Evidently's UI keeps five times as many "
        "reports.",
    )
    evidently_workspace: Path | None = Field(
        None,
        description="Folder of Evidently's UI. Unset: `evidently` in the state folder. off: none.",
    )
    quality_every_s: float = Field(
        600.0, gt=0, description="Interval at which quality reports are refreshed."
    )
    quality_window_s: float = Field(
        86_400.0,
        ge=60,
        description="Length of a quality report's window. A window of one day is a UTC day.",
    )
    keep_texts_s: float = Field(
        0.0,
        ge=0,
        description="Time after which the text of a job that ended is deleted. 0: never.",
    )
    keep_rows_s: float = Field(
        0.0,
        ge=0,
        description="Time after which the predictions and labels of a job are deleted, and its "
        "text. 0: never.",
    )
    alert_every_s: float = Field(
        60.0, gt=0, description="Interval at which alert rules are evaluated."
    )
    alert_clear_s: float = Field(
        120.0,
        ge=0,
        description="Time for which a condition must be absent before its alert is resolved.",
    )
    alert_drift: bool = Field(
        True,
        description="Alert when a drift report finds drift, fails, or is three intervals overdue.",
    )
    alert_estimated_accuracy: float = Field(
        0.9,
        ge=0,
        le=1,
        description=(
            "Alert when the whole 95% interval of estimated accuracy lies below this value. "
            "0 disables."
        ),
    )
    alert_realized_accuracy: float = Field(
        0.9,
        ge=0,
        le=1,
        description=(
            "Alert when the whole 95% interval of realized accuracy lies below this value. "
            "0 disables."
        ),
    )
    alert_realized_f1: float = Field(
        0.8,
        ge=0,
        le=1,
        description=(
            "Alert when the whole 95% interval of realized F1 lies below this value. 0 disables."
        ),
    )
    alert_min_labels: int = Field(
        30,
        ge=1,
        description="Minimum number of labels in a window for alerts on realized quality.",
    )
    alert_error_rate: float = Field(
        0.05,
        ge=0,
        le=1,
        description="Alert when a larger share of texts is quarantined or rejected. 0 disables.",
    )
    alert_error_window_s: float = Field(
        900.0,
        gt=0,
        description="Length of the window in which the error rate is measured; it ends now.",
    )
    alert_error_min_rows: int = Field(
        50,
        ge=1,
        description="Minimum number of finished texts for alerts on the error rate.",
    )
    alert_queue_age_s: float = Field(
        600.0, ge=0, description="Alert when a text has been queued for longer. 0 disables."
    )
    alert_upkeep_s: float = Field(
        300.0,
        ge=0,
        description="Alert when a lease is overdue for longer, or a periodic task for three "
        "intervals more. 0 disables.",
    )
    alert_webhook_secret: SecretStr | None = Field(
        None, description="Key that signs the requests to the webhook."
    )
    alert_webhook_url: SecretStr | None = Field(
        None,
        description="http or https address that receives alerts. Requires the webhook secret.",
    )
    log_level: str = Field("INFO", description="DEBUG, INFO, WARNING, ERROR or CRITICAL.")
    log_format: LogFormat = Field(
        LogFormat.TEXT,
        description="Log format of workers and beat: `text`, or `json` with one object per line.",
    )
    metrics_port: int = Field(
        0,
        ge=0,
        le=65_535,
        description="Port on which a worker serves Prometheus metrics. 0 disables.",
    )
    metrics_host: str = Field(
        "127.0.0.1",
        description="Address on which a worker serves metrics. 0.0.0.0: all interfaces.",
    )

    @model_validator(mode="before")
    @classmethod
    def with_environment(cls, arguments: dict[str, Any]) -> dict[str, Any]:
        """Add the variables of the environment, whose names may be in any case."""
        # pydantic-settings takes longer to import than all of pydantic.
        named = {name.upper(): value for name, value in os.environ.items() if value}
        variables = {field: PREFIX + field.upper() for field in cls.model_fields}
        from_environment = {
            field: named[variable] for field, variable in variables.items() if variable in named
        }
        return from_environment | arguments

    @field_validator("*", mode="before")
    @classmethod
    def is_text(cls, value: Any, field: ValidationInfo) -> Any:
        """Remove the line end that a secret's file or a file of Windows adds to a value."""
        if not isinstance(value, str):
            return value
        # The system's own bytes, since the locale may have decoded them wrongly; paths keep them.
        if field.field_name not in FOLDERS and not value.isprintable():
            try:
                value = value.encode("utf-8", "surrogateescape").decode()
            except UnicodeError:
                raise ValueError("it is not text in UTF-8") from None
        return value.strip()

    @field_validator("*")
    @classmethod
    def is_within_limits(cls, value: Any, field: ValidationInfo) -> Any:
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        largest = LONGEST_S if (field.field_name or "").endswith("_s") else LARGEST_INTEGER
        if is_number and value > largest:
            raise ValueError(f"it must be at most {largest:.0f}")
        return value

    @field_validator("log_level")
    @classmethod
    def is_level(cls, level: str) -> str:
        name = LEVEL_ALIASES.get(level.upper(), level.upper())
        if name not in LOG_LEVELS:
            *others, last = LOG_LEVELS
            raise ValueError(f"it must be {', '.join(others)} or {last}, not {one_line(level)!r}")
        return name

    @field_validator("model_public_key")
    @classmethod
    def is_public_key(cls, key: str | None) -> str | None:
        if key is not None and not PUBLIC_KEY.fullmatch(key):
            raise ValueError("it is not a public key of minisign, 56 characters from RW on")
        return key

    @field_validator("database_url", "broker_url")
    @classmethod
    def is_url(cls, url: SecretStr | None, field: ValidationInfo) -> SecretStr | None:
        """Normalise a server's URL; one of nothing but whitespace is not set."""
        text = cleaned(url.get_secret_value()) if url else ""
        if text and field.field_name == "broker_url":
            # An invalid URL raises BrokerUrlInvalid, whose sentence quotes no part of it.
            text = parse_broker_url(text).url
        return SecretStr(text) if text else None

    @field_validator("alert_webhook_url")
    @classmethod
    def is_http_and_has_secret(
        cls, url: SecretStr | None, others: ValidationInfo
    ) -> SecretStr | None:
        if url is None:
            return None
        try:
            parts = urlsplit(url.get_secret_value())
        except ValueError:
            # Its message quotes the address, which may contain a secret.
            parts = urlsplit("")
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("it is not an http:// or https:// address")
        if not (secret := others.data.get("alert_webhook_secret")) or not secret.get_secret_value():
            raise ValueError("it also requires PLUMBLINE_ALERT_WEBHOOK_SECRET")
        return url

    @classmethod
    def read(cls) -> Settings:
        """Read `.env` and the environment, which takes precedence.

        Raises SettingsInvalid, which names the invalid variable.
        """
        from_file = read_env_file(ENV_FILE, PREFIX)
        from_environment = {name.upper() for name, value in os.environ.items() if value}
        values: dict[str, Any] = {
            field: from_file[PREFIX + field.upper()]
            for field in cls.model_fields
            if PREFIX + field.upper() in from_file.keys() - from_environment
        }
        try:
            return cls(**values)
        except ValidationError as error:
            first = error.errors()[0]
            name = PREFIX + "_".join(str(part) for part in first["loc"]).upper()
            reason = first["msg"].removeprefix("Value error, ")
            raise SettingsInvalid(f"{name} is not usable: {reason}.") from None

    @property
    def server_urls(self) -> tuple[str | None, str | None]:
        """The URLs of PostgreSQL and Redis with their passwords; None if not set."""
        return (
            self.database_url.get_secret_value() if self.database_url else None,
            self.broker_url.get_secret_value() if self.broker_url else None,
        )

    @property
    def drift_valid_s(self) -> float:
        """How long a drift report describes the present: three intervals between reports."""
        return 3.0 * self.drift_every_s

    @property
    def reports_dir(self) -> Path:
        return self.state_dir / "reports"

    @property
    def workspace_dir(self) -> Path | None:
        """The folder of Evidently's UI, or None if it is switched off."""
        return self._folder_or_off(self.evidently_workspace, "evidently")

    @property
    def weights_folder(self) -> Path | None:
        """The folder of packed weights, or None if they are not shared."""
        return self._folder_or_off(self.weights_dir, "weights")

    def _folder_or_off(self, setting: Path | None, name: str) -> Path | None:
        return None if setting == FOLDER_OFF else setting or self.state_dir / name

    def with_absolute_folders(self) -> Settings:
        """Return a copy that is valid in any working directory. Raises SettingsInvalid."""
        folders = {name: getattr(self, name) for name in FOLDERS}
        absolute = {
            name: _absolute(name, folder)
            for name, folder in folders.items()
            if folder is not None and folder != FOLDER_OFF
        }
        return self.model_copy(update=absolute)

    def masked(self) -> dict[str, str]:
        """Return every setting for display, with asterisks in place of secrets."""
        return {name: str(getattr(self, name)) for name in type(self).model_fields}


def _absolute(name: str, folder: Path) -> Path:
    try:
        return folder.resolve()
    except FileNotFoundError:
        # The current folder was deleted, which is not the setting's fault.
        raise
    except (OSError, RuntimeError) as error:
        # Before Python 3.13 a loop of symbolic links is a RuntimeError.
        reason = (
            cause_and_cure(error)
            if isinstance(error, OSError)
            else "a symbolic link in it leads back to itself"
        )
        raise SettingsInvalid(
            f"{PREFIX}{name.upper()}={one_line(str(folder))} is not usable: {reason}."
        ) from error
