"""Use cases for readers: adding and importing them, joining, preferences, leaving.

Each use case is a function whose first argument is the App. The command line and the website call these functions.
"""
