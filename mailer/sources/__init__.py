"""Where articles come from: bytes that somebody hands in become `FoundArticle`s, and so do lists of people.

Its job is to understand feeds, records and page text as newsrooms have them, and to leave out, with a note, what cannot
be understood. It does *not* open files or sockets, decide which article is eligible, compare with what is stored, or
choose anything: that is the store's and the digest's.
"""
