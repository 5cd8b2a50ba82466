"""Subscribers: added, imported, joining by themselves, changing their preferences, leaving.

Each use case is a function `verb(app, …) -> value`, called by cli and web alike.
"""
