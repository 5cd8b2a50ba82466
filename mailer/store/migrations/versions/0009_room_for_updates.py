"""Makes HOT updates possible on PostgreSQL: intents and outcomes change no index, and each page keeps free space."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_INDEXES = {"ix_deliveries_due_at": ["due_at"], "ix_deliveries_deferred": ["issue_id", "due_at"]}


def upgrade() -> None:
    where = sa.text("due_at IS NOT NULL")
    for name, columns in _INDEXES.items():
        op.drop_index(name, "deliveries")
        op.create_index(name, "deliveries", columns, sqlite_where=where, postgresql_where=where)
    if op.get_bind().dialect.name == "postgresql":
        op.execute("ALTER TABLE deliveries SET (fillfactor = 70)")


def downgrade() -> None:
    raise NotImplementedError("restore the backup made before the upgrade")
