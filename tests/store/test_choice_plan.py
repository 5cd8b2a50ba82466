"""An index finds the week's articles, however many the store has."""

import re
from datetime import timedelta

import make
from make import NOW
from sqlalchemy import Connection, event, text

from mailer.choice import time_span
from mailer.store import articles
from mailer.store.database import Store


def test_the_query_of_a_week_walks_no_whole_table(store: Store) -> None:
    make.week_of_articles(store)
    span = time_span.for_issue(end=NOW, previous_end=NOW - timedelta(days=7))
    said: list[tuple[str, object]] = []

    def work(tx: Connection) -> list[str]:
        @event.listens_for(tx, "before_cursor_execute")
        def note(_c: object, _u: object, statement: str, parameters: object, _x: object, _m: bool) -> None:
            said.append((statement, parameters))

        articles.in_span(tx, span, time_span.earliest(span))
        statement, parameters = said[-1]
        if not store.sqlite:
            tx.execute(text("SET LOCAL enable_seqscan = off"))  # a table of fourteen rows is read whole otherwise
        explain = "EXPLAIN QUERY PLAN " if store.sqlite else "EXPLAIN "
        rows = tx.exec_driver_sql(explain + statement, parameters)  # type: ignore[arg-type]
        return [str(row) for row in rows]

    plan = store.read(work)
    assert not [line for line in plan if re.search(r"SCAN articles\w*(?! USING)'|Seq Scan on articles", line)], (
        "\n".join(plan)
    )
    assert [line for line in plan if "ix_articles_dated" in line], "\n".join(plan)
