"""The tables of the store: what is kept of what changes.

Owns names, columns and types, on SQLite and PostgreSQL alike. Does not own the database (`store`) nor what rows mean:
aliases belong to `release`, keys, requests, feedback, files, uploads and tuning jobs to `serve`.

Changing one: edit it here, add ``migrations/versions/vNNNN_what.py``, raise `store.SCHEMA`; a test compares the two.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import sqlalchemy as sa

if TYPE_CHECKING:
    from sqlalchemy.engine import Dialect


class UtcDateTime(sa.TypeDecorator[datetime]):
    """A moment, aware and in UTC on both sides, also where the database knows no time zones."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Refuse a naive moment, turn any other into UTC."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"naive time {value}: the store keeps aware times only")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return the moment aware, in UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


metadata = sa.MetaData()

aliases = sa.Table(
    "aliases",
    metadata,
    sa.Column("name", sa.String(64), primary_key=True),
    sa.Column("alias", sa.String(64), primary_key=True),
    sa.Column("model_id", sa.String(128), nullable=False),
    sa.Column("updated", UtcDateTime, nullable=False),
)

release_history = sa.Table(
    "release_history",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("name", sa.String(64), nullable=False, index=True),
    sa.Column("alias", sa.String(64), nullable=False),
    sa.Column("model_id", sa.String(128), nullable=False),
    sa.Column("previous_id", sa.String(128)),
    sa.Column("scorecard_id", sa.String(128)),
    sa.Column("action", sa.String(16), nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("at", UtcDateTime, nullable=False),
)

api_keys = sa.Table(
    "api_keys",
    metadata,
    sa.Column("id", sa.String(32), primary_key=True),
    sa.Column("name", sa.String(200), nullable=False),
    sa.Column("prefix", sa.String(16), nullable=False),
    sa.Column("hash", sa.String(64), nullable=False, unique=True),
    sa.Column("created", UtcDateTime, nullable=False),
    sa.Column("revoked", UtcDateTime),
)

requests = sa.Table(
    "requests",
    metadata,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("at", UtcDateTime, nullable=False),
    sa.Column("name", sa.String(128), nullable=False),
    sa.Column("alias", sa.String(64)),
    sa.Column("model_id", sa.String(128), nullable=False),
    sa.Column("messages", sa.JSON, nullable=False),
    sa.Column("answer", sa.Text),
    sa.Column("label", sa.Text),
    sa.Column("probability", sa.Float),
    sa.Column("prompt_tokens", sa.Integer, nullable=False),
    sa.Column("completion_tokens", sa.Integer, nullable=False),
    sa.Column("latency_ms", sa.Float, nullable=False),
    sa.Column("status", sa.Integer, nullable=False),
    sa.Column("finish_reason", sa.String(32)),
    sa.Column("key_id", sa.String(32)),
    sa.Index("ix_requests_name_at", "name", "at"),
)

feedback = sa.Table(
    "feedback",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("request_id", sa.String(40), nullable=False, index=True),
    sa.Column("at", UtcDateTime, nullable=False),
    sa.Column("rating", sa.Integer),
    sa.Column("correction", sa.Text),
    sa.Column("comment", sa.Text),
)

files = sa.Table(
    "files",
    metadata,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("at", UtcDateTime, nullable=False),
    sa.Column("expires", UtcDateTime),
    sa.Column("bytes", sa.BigInteger, nullable=False),
    sa.Column("filename", sa.Text, nullable=False),
    sa.Column("purpose", sa.String(32), nullable=False),
    sa.Column("key_id", sa.String(32)),
)

uploads = sa.Table(
    "uploads",
    metadata,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("at", UtcDateTime, nullable=False),
    sa.Column("expires", UtcDateTime, nullable=False),
    sa.Column("bytes", sa.BigInteger, nullable=False),
    sa.Column("filename", sa.Text, nullable=False),
    sa.Column("purpose", sa.String(32), nullable=False),
    sa.Column("file_expires_after_s", sa.Integer),
    sa.Column("status", sa.String(16), nullable=False),
    sa.Column("file_id", sa.String(40)),
    sa.Column("key_id", sa.String(32)),
)

upload_parts = sa.Table(
    "upload_parts",
    metadata,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("upload_id", sa.String(40), nullable=False, index=True),
    sa.Column("at", UtcDateTime, nullable=False),
    sa.Column("bytes", sa.BigInteger, nullable=False),
)

tuning_jobs = sa.Table(
    "tuning_jobs",
    metadata,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("at", UtcDateTime, nullable=False),
    sa.Column("key_id", sa.String(32)),
    sa.Column("status", sa.String(24), nullable=False, index=True),
    sa.Column("validated", sa.Boolean, nullable=False),
    sa.Column("model", sa.String(200), nullable=False),
    sa.Column("method", sa.String(16), nullable=False),
    sa.Column("hyperparameters", sa.JSON, nullable=False),
    sa.Column("training_file", sa.String(40), nullable=False),
    sa.Column("validation_file", sa.String(40)),
    sa.Column("suffix", sa.String(64)),
    sa.Column("seed", sa.BigInteger, nullable=False),
    sa.Column("metadata", sa.JSON(none_as_null=True)),
    sa.Column("finished", UtcDateTime),
    sa.Column("estimated_finish", UtcDateTime),
    sa.Column("trained_tokens", sa.BigInteger),
    sa.Column("fine_tuned_model", sa.String(400)),
    sa.Column("result_file", sa.String(40)),
    sa.Column("error", sa.JSON(none_as_null=True)),
    sa.Column("taken_in_bytes", sa.BigInteger, nullable=False),
    sa.Column("deaths", sa.Integer, nullable=False),
)

tuning_events = sa.Table(
    "tuning_events",
    metadata,
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("id", sa.String(40), nullable=False, unique=True),
    sa.Column("job_id", sa.String(40), nullable=False, index=True),
    sa.Column("at", UtcDateTime, nullable=False),
    sa.Column("level", sa.String(8), nullable=False),
    sa.Column("type", sa.String(24), nullable=False),
    sa.Column("message", sa.Text, nullable=False),
    sa.Column("data", sa.JSON, nullable=False),
)

tuned_models = sa.Table(
    "tuned_models",
    metadata,
    sa.Column("name", sa.String(400), primary_key=True),
    sa.Column("at", UtcDateTime, nullable=False),
    sa.Column("job_id", sa.String(40), nullable=False, index=True),
    sa.Column("model_id", sa.String(128), nullable=False),
    sa.Column("checkpoint_id", sa.String(40), unique=True),
    sa.Column("step", sa.Integer),
    sa.Column("metrics", sa.JSON, nullable=False),
)

webhook_deliveries = sa.Table(
    "webhook_deliveries",
    metadata,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("at", UtcDateTime, nullable=False),
    sa.Column("due", UtcDateTime, nullable=False),
    sa.Column("tries", sa.Integer, nullable=False),
    sa.Column("body", sa.Text, nullable=False),
)

checkpoint_permissions = sa.Table(
    "checkpoint_permissions",
    metadata,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("at", UtcDateTime, nullable=False),
    sa.Column("checkpoint", sa.String(400), nullable=False, index=True),
    sa.Column("project_id", sa.String(200), nullable=False),
    sa.UniqueConstraint("checkpoint", "project_id"),
)
