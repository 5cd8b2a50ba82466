"""Turns an issue into text, HTML and the bytes of a mail, and renders the pages.

This package uses no clock, randomness, socket or database, and reads no files except templates and sample texts. The
package knows neither subscribers nor relays. Values that differ for each reader are placeholders, which `merge` fills.
"""
