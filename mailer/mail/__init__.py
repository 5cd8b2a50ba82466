"""Turns an issue into text, HTML and the bytes of a mail, and renders the pages.

Pure: clock and randomness are arguments, no socket and no database; the only files read are templates and sample
texts. Knows neither subscribers nor relays: values that differ for each reader are placeholders until `merge`.
"""
