"""Adds the blocks of an issue: the newsroom's own boxes between the stories."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("issues", sa.Column("blocks", sa.JSON(), server_default=sa.text("'[]'"), nullable=False))


def downgrade() -> None:
    raise NotImplementedError("restore the backup made before the upgrade")
