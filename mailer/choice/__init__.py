"""Chooses the stories of an issue: groups articles into events, scores the events, and selects the best.

All functions are pure. The same articles give the same digest, whatever their order.
"""
