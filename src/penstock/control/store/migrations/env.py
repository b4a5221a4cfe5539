"""Run by Alembic for every migration, in the transaction that `migrate` has begun."""

from __future__ import annotations

from alembic import context

from penstock.control.store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
    transaction_per_migration=False,
)
context.run_migrations()
