"""Adds `estimated` for articles without a date that an earlier collection of their source had not seen.

Of the articles that are already stored, these are the ones that were first seen some time after the first one of their
source.
"""

from datetime import timedelta

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_COLLECTION = timedelta(minutes=5)  # the least time between two collections

_articles = sa.table(
    "articles",
    sa.column("source", sa.Text),
    sa.column("dating", sa.Text),
    sa.column("first_seen_at", sa.DateTime(timezone=True)),
    sa.column("estimated", sa.Boolean),
)


def upgrade() -> None:
    op.add_column("articles", sa.Column("estimated", sa.Boolean(), server_default=sa.text("false"), nullable=False))
    seen, source = _articles.c.first_seen_at, _articles.c.source
    missing = _articles.c.dating == "missing"
    first = sa.select(source, sa.func.min(seen).label("at"))
    with_undated = first.where(source.in_(sa.select(source).where(missing))).group_by(source)
    for row in op.get_bind().execute(with_undated).all():
        later = _articles.update().where(source == row.source, missing, seen >= row.at + _COLLECTION)
        op.execute(later.values(estimated=True))


def downgrade() -> None:
    raise NotImplementedError("restore the backup made before the upgrade")
