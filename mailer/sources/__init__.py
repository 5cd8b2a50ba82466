"""Reads articles and lists of people: bytes become `FoundArticle`s, and files of people become `NewSubscriber`s.

Feeds, records and pages are read in the forms that newsrooms have. What cannot be read is left out with a note. This
folder neither chooses articles nor compares them with stored ones; `choice` and `store` do.
"""
