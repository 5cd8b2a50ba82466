"""Adds the table of the counted clicks: totals for each story and hour, without any reader."""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "clicks",
        sa.Column("issue_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("hour", sa.DateTime(timezone=True), nullable=False),
        sa.Column("opened", sa.Integer(), nullable=False),
        sa.Column("scanned", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["issue_id"], ["issues.id"], name=op.f("fk_clicks_issue_id")),
        sa.PrimaryKeyConstraint("issue_id", "position", "hour", name=op.f("pk_clicks")),
    )


def downgrade() -> None:
    raise NotImplementedError("restore the backup made before the upgrade")
