"""The tables. Alembic's migrations create them; a test compares the two."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import (
    CheckConstraint,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    MetaData,
    Text,
    false,
    func,
    true,
)
from sqlalchemy import text as sql
from sqlalchemy.dialects.postgresql import ARRAY, BIGINT, BYTEA, DOUBLE_PRECISION, JSONB, SMALLINT
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from plumbline_client.states import JobState
from storage.index_conditions import SET_ASIDE, UNSCORED
from storage.schema import SCHEMA
from storage.states import (
    Action,
    DriftVerdict,
    GranteeKind,
    Metric,
    NoticeStatus,
    ReferenceKind,
    Role,
    Sampling,
    Severity,
)

NAMING = {
    "ix": "%(table_name)s_%(column_0_N_name)s_idx",
    "uq": "%(table_name)s_%(column_0_N_name)s_key",
    "ck": "%(table_name)s_%(constraint_name)s_check",
    "fk": "%(table_name)s_%(column_0_name)s_fkey",
    "pk": "%(table_name)s_pkey",
}


def one_of(column: str, values: Iterable[str]) -> str:
    return f"{column} IN ({', '.join(repr(str(value)) for value in values)})"


class Base(DeclarativeBase):
    metadata = MetaData(schema=SCHEMA, naming_convention=NAMING)
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        datetime: DateTime(timezone=True),
        str: Text,
        float: DOUBLE_PRECISION,
        dict[str, Any]: JSONB,
        list[str]: ARRAY(Text),
    }


class Job(Base):
    """The ledger: one row per accepted or refused text, with its state."""

    __tablename__ = "jobs"
    __table_args__ = (
        CheckConstraint(one_of("state", JobState), name="state"),
        Index("jobs_queued_idx", "published_at", postgresql_where=sql("state = 'queued'")),
        Index("jobs_leased_idx", "lease_until", postgresql_where=sql("state = 'leased'")),
        Index(
            "jobs_deadline_idx",
            "deadline",
            postgresql_where=sql("deadline IS NOT NULL AND state IN ('queued', 'leased')"),
        ),
        Index("jobs_created_idx", "created_at"),
        Index("jobs_source_idx", "source", "created_at"),
        # Jobs whose wake-up was never sent, by the time when it is due: delayed jobs may be many.
        Index(
            "jobs_unpublished_idx",
            sql("coalesce(not_before, '-infinity'::timestamptz)"),
            postgresql_where=sql("state = 'queued' AND published_at IS NULL"),
        ),
        Index(
            "jobs_set_aside_idx",
            "finished_at",
            postgresql_where=sql(SET_ASIDE),
        ),
        Index(
            "jobs_unscored_idx",
            "state",
            "created_at",
            postgresql_where=sql(UNSCORED),
        ),
        # A job is scored when it is finished, so these are the newest predictions of a source.
        # Ids are random, so a range of them is a sample, which the index selects by itself.
        Index(
            "jobs_scored_id_idx",
            "source",
            "finished_at",
            "id",
            postgresql_where=sql("state = 'scored'"),
        ),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    source: Mapped[str]
    key: Mapped[str | None]
    text: Mapped[str | None]
    # A plain hash, of a job that an earlier release accepted; `storage.jobs.text_hashes` keys it.
    text_sha256: Mapped[bytes | None] = mapped_column(BYTEA)
    notes: Mapped[list[str]] = mapped_column(server_default=sql("'{}'"))
    state: Mapped[str]
    attempts: Mapped[int] = mapped_column(SMALLINT, server_default=sql("0"))
    fence: Mapped[int] = mapped_column(BIGINT, server_default=sql("0"))
    lease_until: Mapped[datetime | None]
    deadline: Mapped[datetime | None]
    error: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    published_at: Mapped[datetime | None]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    # The job is queued, but not due, until then.
    not_before: Mapped[datetime | None]
    # The hash of the submitted text, keyed with the secret of the `Installation`.
    text_hash: Mapped[bytes | None] = mapped_column(BYTEA)


class Prediction(Base):
    """One score of one job in one role."""

    __tablename__ = "predictions"
    __table_args__ = (
        CheckConstraint(one_of("role", Role), name="role"),
        CheckConstraint(one_of("decision", ("positive", "negative", "review")), name="decision"),
        Index("predictions_scored_idx", "scored_at"),
        Index("predictions_version_idx", "model", "role", "scored_at", "job_id"),
    )

    job_id: Mapped[uuid.UUID] = mapped_column(ForeignKey(Job.id), primary_key=True)
    role: Mapped[str] = mapped_column(primary_key=True)
    model: Mapped[str]
    probability: Mapped[float]
    label: Mapped[str]
    confidence: Mapped[float]
    decision: Mapped[str]
    ranked: Mapped[dict[str, Any]]
    tokens: Mapped[int]
    windows: Mapped[int]
    window_rule: Mapped[str]
    features: Mapped[dict[str, Any]]
    queue_ms: Mapped[float]
    score_ms: Mapped[float]
    scored_at: Mapped[datetime] = mapped_column(server_default=func.now())
    # What the model could not read of the text; the notes of the job are about the text itself.
    notes: Mapped[list[str]] = mapped_column(server_default=sql("'{}'"))


class Label(Base):
    """The true label of a text, one per labelling source; a newer one replaces it."""

    __tablename__ = "labels"
    __table_args__ = (
        CheckConstraint("label IN (0, 1)", name="label"),
        CheckConstraint(one_of("sampling", Sampling), name="sampling"),
        Index("labels_labelled_idx", "labelled_at"),
    )

    job_id: Mapped[uuid.UUID] = mapped_column(ForeignKey(Job.id), primary_key=True)
    # The labeller, unlike a job's source, which is the submitting service.
    source: Mapped[str] = mapped_column(primary_key=True)
    label: Mapped[int] = mapped_column(SMALLINT)
    labelled_at: Mapped[datetime] = mapped_column(server_default=func.now())
    # Who wrote the row, whatever name it has: see `storage.jobs.labels`. None before 0011.
    recorded_by: Mapped[str | None]
    # How the text was chosen for labelling; None if unknown.
    sampling: Mapped[str | None]


class ModelVersion(Base):
    """A version that was allowed to serve, as its manifest described it then.

    `labels` are its names of the negative and the positive class.
    """

    __tablename__ = "model_versions"

    model: Mapped[str] = mapped_column(primary_key=True)
    manifest_sha256: Mapped[str]
    labels: Mapped[list[str]] = mapped_column(server_default=sql("'{}'"))
    metrics: Mapped[dict[str, Any]]
    registered_at: Mapped[datetime] = mapped_column(server_default=func.now())


class ModelFault(Base):
    """A machine that refuses to load a version, because it is not the one that was registered."""

    __tablename__ = "model_faults"

    model: Mapped[str] = mapped_column(primary_key=True)
    machine: Mapped[str] = mapped_column(primary_key=True)
    reason: Mapped[str]
    last_seen_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Deployment(Base):
    """The versions in service: the newest row is the current deployment, the others its history."""

    __tablename__ = "deployments"
    __table_args__ = (
        CheckConstraint(one_of("action", Action), name="action"),
        CheckConstraint("shadow <> model", name="shadow"),
        CheckConstraint("canary <> model", name="canary"),
        CheckConstraint(
            "(canary IS NULL) = (canary_share IS NULL) AND canary_share > 0 AND canary_share < 1",
            name="share",
        ),
    )

    id: Mapped[int] = mapped_column(BIGINT, Identity(always=True), primary_key=True)
    model: Mapped[str] = mapped_column(ForeignKey(ModelVersion.model))
    shadow: Mapped[str | None] = mapped_column(ForeignKey(ModelVersion.model))
    canary: Mapped[str | None] = mapped_column(ForeignKey(ModelVersion.model))
    canary_share: Mapped[float | None]
    action: Mapped[str] = mapped_column(server_default=Action.PROMOTE)
    # The row that a rollback restores.
    returns_to: Mapped[int | None] = mapped_column(BIGINT, ForeignKey(f"{SCHEMA}.deployments.id"))
    deployed_by: Mapped[str]
    reason: Mapped[str]
    # Whether the version that it put into service had failed its gates.
    forced: Mapped[bool] = mapped_column(server_default=false())
    deployed_at: Mapped[datetime] = mapped_column(server_default=func.now())


class AcceptedReference(Base):
    """A window of live traffic that somebody accepted as the normal of a version.

    It is the reference of the version's drift reports until it is revoked. `columns` are those of
    `monitoring.drift.window`, one value per text and no text, so that it outlives the predictions.
    A `source` of None is all sources.
    """

    __tablename__ = "accepted_references"

    id: Mapped[int] = mapped_column(BIGINT, Identity(always=True), primary_key=True)
    model: Mapped[str]
    source: Mapped[str | None]
    window_from: Mapped[datetime]
    window_to: Mapped[datetime]
    rows: Mapped[int]
    columns: Mapped[dict[str, Any]]
    reason: Mapped[str]
    accepted_by: Mapped[str]
    accepted_at: Mapped[datetime] = mapped_column(server_default=func.now())
    revoked_by: Mapped[str | None]
    revoked_reason: Mapped[str | None]
    revoked_at: Mapped[datetime | None]


class DriftReport(Base):
    """One comparison of a recent window with the reference."""

    __tablename__ = "drift_reports"
    __table_args__ = (
        CheckConstraint(one_of("verdict", DriftVerdict), name="verdict"),
        CheckConstraint(one_of("reference", ReferenceKind), name="reference"),
        CheckConstraint(one_of("profile_verdict", DriftVerdict), name="profile_verdict"),
        Index("drift_reports_created_idx", "created_at"),
        Index("drift_reports_subject_idx", "model", "source", "id"),
        # For those whose windows overlap a time.
        Index(
            "drift_reports_window_idx",
            sql("tstzrange(least(window_from, window_to), greatest(window_from, window_to), '[]')"),
            postgresql_using="gist",
        ),
    )

    id: Mapped[int] = mapped_column(BIGINT, Identity(always=True), primary_key=True)
    model: Mapped[str]
    source: Mapped[str | None]
    verdict: Mapped[str]
    summary: Mapped[str]
    window_from: Mapped[datetime | None]
    window_to: Mapped[datetime | None]
    window_rows: Mapped[int]
    # The version's profile, or an earlier window of live traffic with its bounds.
    reference: Mapped[str] = mapped_column(server_default=ReferenceKind.PROFILE)
    reference_from: Mapped[datetime | None]
    reference_to: Mapped[datetime | None]
    reference_rows: Mapped[int]
    # The decision that made this window the reference, if somebody accepted one.
    accepted_id: Mapped[int | None] = mapped_column(ForeignKey(AcceptedReference.id))
    # The verdict against the profile, whatever the reference is; NULL if it was not computed.
    # Estimated metrics are calibrated on the profile's texts.
    profile_verdict: Mapped[str | None]
    # Whether beat requested it. If not, whether the requester chose the window or the reference,
    # instead of those of the settings; such a report may not replace the verdict of another.
    scheduled: Mapped[bool] = mapped_column(server_default=true())
    chosen_window: Mapped[bool] = mapped_column(server_default=false())
    chosen_reference: Mapped[bool] = mapped_column(server_default=false())
    # The false-alarm rate: the share of reports with the verdict drift if nothing changed.
    alpha: Mapped[float] = mapped_column(server_default=sql("0.05"))
    html_path: Mapped[str | None]
    # The Celery task that made the report, so that the requester can find it.
    task_id: Mapped[str | None]
    took_ms: Mapped[float]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class DriftValue(Base):
    """The drift score of one feature in one report: it drifted if `value` exceeds `threshold`."""

    __tablename__ = "drift_values"

    report_id: Mapped[int] = mapped_column(
        ForeignKey(DriftReport.id, ondelete="CASCADE"), primary_key=True
    )
    feature: Mapped[str] = mapped_column(primary_key=True)
    method: Mapped[str]
    value: Mapped[float]
    threshold: Mapped[float]
    drifted: Mapped[bool]
    histogram: Mapped[dict[str, Any]]


class QualityReport(Base):
    """The quality of one version in one time window, estimated and realized.

    A `source` of None is all sources. `positive_share` is the share of texts predicted positive;
    None if there are no rows.
    """

    __tablename__ = "quality_reports"
    __table_args__ = (
        CheckConstraint(one_of("role", Role), name="role"),
        # One row per window. No source has an empty name.
        Index(
            "quality_reports_window_idx",
            "window_from",
            "window_to",
            "model",
            "role",
            sql("coalesce(source, '')"),
            unique=True,
        ),
        Index("quality_reports_task_idx", "task_id"),
        Index("quality_reports_refreshed_idx", "refreshed_at"),
    )

    id: Mapped[int] = mapped_column(BIGINT, Identity(always=True), primary_key=True)
    model: Mapped[str]
    role: Mapped[str]
    source: Mapped[str | None]
    window_from: Mapped[datetime]
    window_to: Mapped[datetime]
    window_rows: Mapped[int] = mapped_column(BIGINT)
    labelled_rows: Mapped[int] = mapped_column(BIGINT)
    positive_share: Mapped[float | None]
    # From how many of the predictions the estimates and counts are made; None: from all of them.
    sampled_rows: Mapped[int | None] = mapped_column(BIGINT)
    # Texts that the version's calibration was measured on. If None, it is unknown, and the
    # intervals leave its error out.
    calibration_rows: Mapped[int | None]
    # The sources whose texts have labels; None in the report of a single source.
    labelled_sources: Mapped[list[str] | None]
    # When the first and the last of its texts were scored; None if there are none, and before 0014.
    scored_from: Mapped[datetime | None]
    scored_to: Mapped[datetime | None]
    # Labels of texts that were drawn at random; None before 0014.
    random_rows: Mapped[int | None] = mapped_column(BIGINT)
    # The share of texts that are from sources with labels, and with labels of a random sample.
    labelled_share: Mapped[float | None]
    combined_share: Mapped[float | None]
    # The last Celery task that made the report, so that the requester can find it.
    task_id: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    refreshed_at: Mapped[datetime] = mapped_column(server_default=func.now())


class QualityValue(Base):
    """One metric of one quality report, in [0, 1]; None if its denominator is zero."""

    __tablename__ = "quality_values"
    __table_args__ = (CheckConstraint(one_of("metric", Metric), name="metric"),)

    report_id: Mapped[int] = mapped_column(
        BIGINT, ForeignKey(QualityReport.id, ondelete="CASCADE"), primary_key=True
    )
    metric: Mapped[str] = mapped_column(primary_key=True)
    estimated: Mapped[float | None]
    estimated_low: Mapped[float | None]
    estimated_high: Mapped[float | None]
    realized: Mapped[float | None]
    realized_low: Mapped[float | None]
    realized_high: Mapped[float | None]
    # From all predictions and the labels of a random sample together; None without such labels.
    combined: Mapped[float | None]
    combined_low: Mapped[float | None]
    combined_high: Mapped[float | None]
    # The same if the probabilities are as calibrated as on the validation split, so that they count
    # as evidence: valid for texts that have not drifted. None if the labels contradict it.
    calibrated: Mapped[float | None]
    calibrated_low: Mapped[float | None]
    calibrated_high: Mapped[float | None]


class PeriodicTask(Base):
    """A task that beat sends at an interval, and when a worker last began it."""

    __tablename__ = "periodic_tasks"

    # The name of the Celery task.
    task: Mapped[str] = mapped_column(primary_key=True)
    every_s: Mapped[float]
    # The first interval of a task that never began counts from here, so that a beat that restarts
    # more often than that does not postpone the task for ever.
    first_scheduled_at: Mapped[datetime] = mapped_column(server_default=func.now())
    began_at: Mapped[datetime | None]
    # When beat started, the first time after a run did all of its work.
    scheduled_at: Mapped[datetime | None]
    # When a run last did all of its work; a run that was skipped or failed does not count.
    ended_at: Mapped[datetime | None]


class LockRow(Base):
    """A row that a process locks while it does what no other may do at once."""

    __tablename__ = "locks"

    name: Mapped[str] = mapped_column(primary_key=True)


class Alert(Base):
    """An alert, from when its condition first held until it has been clear for a while."""

    __tablename__ = "alerts"
    __table_args__ = (
        CheckConstraint(one_of("severity", Severity), name="severity"),
        # At most one open alert per rule and subject, however often the rules are evaluated.
        Index(
            "alerts_open_idx",
            "rule",
            "subject",
            unique=True,
            postgresql_where=sql("resolved_at IS NULL"),
        ),
        Index("alerts_raised_idx", "raised_at"),
    )

    id: Mapped[int] = mapped_column(BIGINT, Identity(always=True), primary_key=True)
    rule: Mapped[str]
    subject: Mapped[str]
    severity: Mapped[str]
    message: Mapped[str]
    value: Mapped[float]
    threshold: Mapped[float]
    raised_at: Mapped[datetime] = mapped_column(server_default=func.now())
    last_seen_at: Mapped[datetime] = mapped_column(server_default=func.now())
    # Since when the condition no longer holds; None while it does.
    clear_since: Mapped[datetime | None]
    resolved_at: Mapped[datetime | None]


class AlertNotice(Base):
    """One message to the webhook, sent again until it is delivered or given up."""

    __tablename__ = "alert_notices"
    __table_args__ = (
        CheckConstraint(one_of("status", NoticeStatus), name="status"),
        Index(
            "alert_notices_due_idx",
            "next_attempt_at",
            postgresql_where=sql("delivered_at IS NULL AND given_up_at IS NULL"),
        ),
    )

    alert_id: Mapped[int] = mapped_column(
        BIGINT, ForeignKey(Alert.id, ondelete="CASCADE"), primary_key=True
    )
    status: Mapped[str] = mapped_column(primary_key=True)
    attempts: Mapped[int] = mapped_column(server_default=sql("0"))
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    next_attempt_at: Mapped[datetime] = mapped_column(server_default=func.now())
    delivered_at: Mapped[datetime | None]
    given_up_at: Mapped[datetime | None]
    error: Mapped[str | None]


class RejectedMessage(Base):
    """A message, or a text of one, that ended without a job. It contains no text.

    A field is None if it could not be read, or if reading it was refused.
    """

    __tablename__ = "rejected_messages"
    __table_args__ = (
        Index("rejected_messages_message_idx", "message_id"),
        Index("rejected_messages_rejected_idx", "rejected_at"),
    )

    id: Mapped[int] = mapped_column(BIGINT, Identity(always=True), primary_key=True)
    message_id: Mapped[str | None]
    queue: Mapped[str]
    task: Mapped[str | None]
    source: Mapped[str | None]
    job_id: Mapped[uuid.UUID | None]
    key: Mapped[str | None]
    # The position of the text in the message; None if all of the message is rejected.
    position: Mapped[int | None]
    reason: Mapped[str]
    bytes: Mapped[int | None] = mapped_column(BIGINT)
    rejected_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Source(Base):
    """A source that an operator bound, so that only its owners may use it.

    A row stays when the source is released, because its list in Redis may still hold messages.
    """

    __tablename__ = "sources"

    name: Mapped[str] = mapped_column(primary_key=True)
    # Whether messages in the source's own list may bring its texts.
    queue: Mapped[bool] = mapped_column(server_default=false())
    changed_by: Mapped[str]
    changed_at: Mapped[datetime] = mapped_column(server_default=func.now())


class SourceRole(Base):
    """A role of PostgreSQL whose members may use a source. It is kept by name."""

    __tablename__ = "source_roles"

    source: Mapped[str] = mapped_column(
        ForeignKey(Source.name, ondelete="CASCADE"), primary_key=True
    )
    role: Mapped[str] = mapped_column(primary_key=True)


class SourcePolicy(Base):
    """One row: whether a source that is not bound may be used by everybody."""

    __tablename__ = "source_policy"
    __table_args__ = (CheckConstraint("singleton", name="singleton"),)

    singleton: Mapped[bool] = mapped_column(primary_key=True, server_default=true())
    closed: Mapped[bool] = mapped_column(server_default=false())
    changed_by: Mapped[str | None]
    changed_at: Mapped[datetime | None]


class Labeller(Base):
    """The right of a role or of a source to label under this name."""

    __tablename__ = "labellers"
    __table_args__ = (CheckConstraint(one_of("kind", GranteeKind), name="kind"),)

    name: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    grantee: Mapped[str] = mapped_column(primary_key=True)
    granted_by: Mapped[str]
    granted_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Installation(Base):
    """One row: the secret of the keyed hashes, as the two padded keys of HMAC (RFC 2104)."""

    __tablename__ = "installation"
    __table_args__ = (CheckConstraint("singleton", name="singleton"),)

    singleton: Mapped[bool] = mapped_column(primary_key=True, server_default=true())
    inner_key: Mapped[bytes] = mapped_column(BYTEA)
    outer_key: Mapped[bytes] = mapped_column(BYTEA)
    # When the plain hashes of earlier releases had all been replaced.
    hashes_keyed_at: Mapped[datetime | None]
