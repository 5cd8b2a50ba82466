"""The demo: invented articles, its own mail server and pages that show the mails, all on loopback.

The product itself imports nothing from here. `sample` has the articles, `inbox` receives the mails, `letter` reads one
of them, and `pages` shows them.
"""
