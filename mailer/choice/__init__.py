"""Chooses the stories of an issue: groups articles into events, scores the articles, and selects the best stories.

All functions are pure. The same articles give the same digest, whatever their order.
"""
