"""Fine-tuning jobs, what is told of them, the models they make, who is told when one ends."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make the tables of tuning jobs."""
    op.create_table(
        "tuning_jobs",
        sa.Column("id", sa.String(40), primary_key=True),
        sa.Column("at", MOMENT, nullable=False),
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
        sa.Column("metadata", sa.JSON),
        sa.Column("finished", MOMENT),
        sa.Column("estimated_finish", MOMENT),
        sa.Column("trained_tokens", sa.BigInteger),
        sa.Column("fine_tuned_model", sa.String(400)),
        sa.Column("result_file", sa.String(40)),
        sa.Column("error", sa.JSON),
        sa.Column("taken_in_bytes", sa.BigInteger, nullable=False),
        sa.Column("deaths", sa.Integer, nullable=False),
    )
    op.create_table(
        "tuning_events",
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("id", sa.String(40), nullable=False, unique=True),
        sa.Column("job_id", sa.String(40), nullable=False, index=True),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("level", sa.String(8), nullable=False),
        sa.Column("type", sa.String(24), nullable=False),
        sa.Column("message", sa.Text, nullable=False),
        sa.Column("data", sa.JSON, nullable=False),
    )
    op.create_table(
        "tuned_models",
        sa.Column("name", sa.String(400), primary_key=True),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("job_id", sa.String(40), nullable=False, index=True),
        sa.Column("model_id", sa.String(128), nullable=False),
        sa.Column("checkpoint_id", sa.String(40), unique=True),
        sa.Column("step", sa.Integer),
        sa.Column("metrics", sa.JSON, nullable=False),
    )
    op.create_table(
        "webhook_deliveries",
        sa.Column("id", sa.String(40), primary_key=True),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("due", MOMENT, nullable=False),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
    )
    op.create_table(
        "checkpoint_permissions",
        sa.Column("id", sa.String(40), primary_key=True),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("checkpoint", sa.String(400), nullable=False, index=True),
        sa.Column("project_id", sa.String(200), nullable=False),
        sa.UniqueConstraint("checkpoint", "project_id"),
    )
