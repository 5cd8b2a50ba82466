"""Runs the migrations. Alembic executes this file, and `store.upgrade` supplies the connection and the transaction."""

from alembic import context

from mailer.store.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
    compare_server_default=False,
)
context.run_migrations()
