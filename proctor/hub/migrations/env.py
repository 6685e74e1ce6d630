"""Runs migrations on the connection that :mod:`proctor.hub.migrate` hands over."""

from __future__ import annotations

from alembic import context

from proctor.hub.migrate import whole_metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=whole_metadata(),
    transactional_ddl=True,
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
