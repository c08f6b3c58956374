"""Files given to the server, whole and in parts."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make the tables of files."""
    op.create_table(
        "files",
        sa.Column("id", sa.String(40), primary_key=True),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("expires", MOMENT),
        sa.Column("bytes", sa.BigInteger, nullable=False),
        sa.Column("filename", sa.Text, nullable=False),
        sa.Column("purpose", sa.String(32), nullable=False),
        sa.Column("key_id", sa.String(32)),
    )
    op.create_table(
        "uploads",
        sa.Column("id", sa.String(40), primary_key=True),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("expires", MOMENT, nullable=False),
        sa.Column("bytes", sa.BigInteger, nullable=False),
        sa.Column("filename", sa.Text, nullable=False),
        sa.Column("purpose", sa.String(32), nullable=False),
        sa.Column("file_expires_after_s", sa.Integer),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("file_id", sa.String(40)),
        sa.Column("key_id", sa.String(32)),
    )
    op.create_table(
        "upload_parts",
        sa.Column("id", sa.String(40), primary_key=True),
        sa.Column("upload_id", sa.String(40), nullable=False, index=True),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("bytes", sa.BigInteger, nullable=False),
    )
