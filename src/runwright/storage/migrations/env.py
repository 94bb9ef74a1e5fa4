"""Alembic's entry: runs migrations on the connection and in the transaction it is given."""

from alembic import context

from runwright.storage.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=True,
    render_as_batch=True,
)
context.run_migrations()
