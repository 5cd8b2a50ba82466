"""Reads files of people, in steps: container → encoding → rows → meanings of the columns → one `ListRow` for each row.

Other packages call `sources.people`. The import, not this package, checks the addresses and compares the people with
the subscribers.
"""
