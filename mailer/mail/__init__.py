"""Turns an issue into text, HTML and the bytes of a mail, and renders the pages.

This package uses no clock, randomness, socket or database, and reads no files except templates and sample texts. It
knows neither subscribers nor relays: values that differ for each reader are placeholders until `merge` fills them in.
"""
