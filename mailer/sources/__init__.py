"""Where articles come from: bytes become `FoundArticle`s, and lists of people become `NewSubscriber`s.

Feeds, records and pages are read as newsrooms have them; what cannot be read is left out with a note. It does not open
files, decide which articles are eligible, compare with stored ones or choose: `store` and `choice` do.
"""
