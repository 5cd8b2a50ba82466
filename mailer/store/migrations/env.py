"""What Alembic runs: the migrations, on the connection that `store.upgrade` hands over. Its transaction is ours."""

from alembic import context

from mailer.store.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
    compare_server_default=False,
)
context.run_migrations()
