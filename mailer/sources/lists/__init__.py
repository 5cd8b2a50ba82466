"""Reads files of people: container → encoding → rows → meanings of the columns → one `ListRow` for each row.

`sources.people` is the way in. Nothing here checks an address or knows who is on the list; the import does both.
"""
