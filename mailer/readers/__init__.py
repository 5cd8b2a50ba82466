"""Use cases for readers: adding and importing them, joining, preferences, leaving.

Each use case is a function that takes the App first and returns a value, called by the command line and the website.
"""
