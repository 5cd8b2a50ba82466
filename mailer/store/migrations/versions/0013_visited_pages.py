"""Adds the table of the pages that a source fetched one by one, for sites that offer only sitemaps."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "visited_pages",
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("link", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("fetched", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("source", "link", name=op.f("pk_visited_pages")),
    )
    op.create_index("visited_pages_at", "visited_pages", ["source", "at"])


def downgrade() -> None:
    raise NotImplementedError("restore the backup made before the upgrade")
