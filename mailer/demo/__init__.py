"""The demo: invented articles, an inbox of its own and pages to read what arrived, all on loopback.

Everything here exists to show the product; the product itself imports nothing of it. The rooms: `sample` has the
articles, `inbox` takes the mails, `letter` reads one of them, `pages` shows them.
"""
