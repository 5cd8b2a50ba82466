"""Adds the decisions of editors about pairs of articles: whether the two report the same story."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

_id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "decided_pairs",
        sa.Column("one", _id, nullable=False),
        sa.Column("other", _id, nullable=False),
        sa.Column("same", sa.Boolean(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("one", "other", name=op.f("pk_decided_pairs")),
        sa.ForeignKeyConstraint(["one"], ["articles.id"], name=op.f("fk_decided_pairs_one")),
        sa.ForeignKeyConstraint(["other"], ["articles.id"], name=op.f("fk_decided_pairs_other")),
        sa.CheckConstraint("one < other", name=op.f("ck_decided_pairs_order")),
    )


def downgrade() -> None:
    raise NotImplementedError("restore the backup made before the upgrade")
