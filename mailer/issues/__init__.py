"""The week's issue: drafted, edited, frozen, sent and looked back on.

Each use case is a function `verb(app, …) -> value`. It reads the store, lets a pure module decide, and applies the
decision. cli, web, service and demo call the same ones.
"""
