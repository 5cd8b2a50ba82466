"""Allows two more kinds of mails: the welcome, and the reminder of a sign-up that was not confirmed."""

from alembic import op
from sqlalchemy import text

from mailer.errors import StoreOutdated

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

_BEFORE = "kind IN ('issue', 'confirmation', 'test', 'notice')"
_AFTER = "kind IN ('issue', 'confirmation', 'reminder', 'welcome', 'test', 'notice')"


def upgrade() -> None:
    connection = op.get_bind()
    if connection.dialect.name != "sqlite":
        for table in ("variants", "deliveries"):
            op.drop_constraint(op.f(f"ck_{table}_kind"), table)
            op.create_check_constraint(op.f(f"ck_{table}_kind"), table, _AFTER)
        return
    # SQLite has no statement that changes a constraint, and copying the table takes long if the ledger has many million
    # rows. A wider constraint does not change how rows are stored. So only the stored text of CREATE TABLE is changed, by
    # the procedure in
    # https://www.sqlite.org/lang_altertable.html#making_other_kinds_of_table_schema_changes.
    version = connection.exec_driver_sql("PRAGMA schema_version").scalar_one()
    connection.exec_driver_sql("PRAGMA writable_schema=ON")
    changed = connection.execute(
        text(
            "UPDATE sqlite_schema SET sql = replace(sql, :before, :after) "
            "WHERE type = 'table' AND name IN ('variants', 'deliveries') AND instr(sql, :before)"
        ),
        {"before": _BEFORE, "after": _AFTER},
    )
    if changed.rowcount != 2:
        raise StoreOutdated(
            "The tables variants and deliveries are not as version 0018 made them, so they cannot be upgraded; nothing "
            "was changed.",
            "Another program may have changed them: restore a backup, then run `mailer db upgrade`.",
        )
    connection.exec_driver_sql(f"PRAGMA schema_version={version + 1}")
    connection.exec_driver_sql("PRAGMA writable_schema=OFF")


def downgrade() -> None:
    raise NotImplementedError("restore the backup made before the upgrade")
