"""Adds the table `feeds`, columns of articles that collecting fills, and a column for an issue's first story."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "feeds",
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("etag", sa.Text(), nullable=True),
        sa.Column("modified", sa.Text(), nullable=True),
        sa.Column("next_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("failures", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("problem", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("fetched_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("looked_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("url", name=op.f("pk_feeds")),
    )
    # These are plain ADD COLUMN statements, because Alembic's batch mode would copy the whole table on SQLite.
    op.add_column("articles", sa.Column("prominence", sa.Float(), nullable=True))
    op.add_column("articles", sa.Column("closed", sa.Boolean(), server_default=sa.text("false"), nullable=False))
    op.add_column("articles", sa.Column("title_given", sa.Text(), nullable=True))
    op.add_column("articles", sa.Column("lead_given", sa.Text(), nullable=True))
    op.add_column("articles", sa.Column("alt_given", sa.Text(), nullable=True))
    op.add_column("issue_articles", sa.Column("first", sa.Boolean(), server_default=sa.text("false"), nullable=False))


def downgrade() -> None:
    raise NotImplementedError("restore the backup made before the upgrade")
