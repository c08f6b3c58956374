"""What Alembic runs: the pending steps, on the connection and in the transaction that `core.store` opened."""

from __future__ import annotations

from alembic import context

from tunesmith.core.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
context.run_migrations()
