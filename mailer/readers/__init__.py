"""Use cases for readers: adding and importing them, joining, preferences, leaving.

Each use case is a function `verb(app, …) -> value`, called by the command line and the website.
"""
