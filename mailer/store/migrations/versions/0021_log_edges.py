"""Adds the lines that were counted in the first and the last second of each time of an access log."""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("counted_logs", sa.Column("edges", sa.JSON(), server_default=sa.text("'{}'"), nullable=False))


def downgrade() -> None:
    raise NotImplementedError("restore the backup made before the upgrade")
