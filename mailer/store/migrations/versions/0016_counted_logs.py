"""Adds the views that were counted in access logs, and the times whose lines were counted."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("articles", sa.Column("log_views", sa.BigInteger(), nullable=True))
    op.create_table(
        "counted_logs",
        sa.Column("server", sa.Text(), nullable=False),
        sa.Column("first_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("server", "first_at", name=op.f("pk_counted_logs")),
    )


def downgrade() -> None:
    raise NotImplementedError("restore the backup made before the upgrade")
