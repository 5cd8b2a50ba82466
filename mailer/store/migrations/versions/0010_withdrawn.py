"""Removes a column that was never set. Deleted pages are found by a check before each issue instead."""

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_column("articles", "withdrawn")


def downgrade() -> None:
    raise NotImplementedError("restore the backup made before the upgrade")
