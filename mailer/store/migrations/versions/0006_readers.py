"""Adds the table `signups`, a unique index of variants, and columns for redacted stories and replaced reasons."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "signups",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=True),
        sa.Column("network", sa.Text(), nullable=True),
        sa.Column("agent", sa.Text(), nullable=True),
        sa.Column("words", sa.Text(), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "outcome IS NULL OR outcome IN ('sent', 'silent', 'limited')", name=op.f("ck_signups_outcome")
        ),
        sa.CheckConstraint("(outcome IS NULL) = (address IS NOT NULL)", name=op.f("ck_signups_address")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_signups")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_signups_at"), "signups", ["at"], unique=False)
    op.create_index("ix_signups_hash", "signups", ["hash", "at"], unique=False)
    op.create_index("ix_signups_network", "signups", ["network", "at"], unique=False)
    _partial("ix_signups_open", "signups", ["id"], "outcome IS NULL")
    _partial("ix_events_network", "events", ["at"], "network IS NOT NULL")
    _partial("uq_variants_choice", "variants", ["issue_id", "sections"], "kind = 'issue'", unique=True)
    op.add_column("suppressions", sa.Column("replaced", sa.Text(), nullable=True))
    op.add_column("issues", sa.Column("redacted", sa.JSON(), server_default=sa.text("'[]'"), nullable=False))


def _partial(name: str, table: str, columns: list[str], condition: str, unique: bool = False) -> None:
    where = sa.text(condition)
    op.create_index(name, table, columns, unique=unique, sqlite_where=where, postgresql_where=where)


def downgrade() -> None:
    raise NotImplementedError("restore the backup made before the upgrade")
