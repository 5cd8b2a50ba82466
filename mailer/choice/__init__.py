"""Chooses the stories of an issue: articles become events, events are scored, and the best are selected.

Pure functions of values: the same articles give the same digest, in any order.
"""
