"""The mail and the pages: from an issue to words, markup and bytes.

Pure: clock and randomness are arguments, no socket and no database; the only files read are templates. Knows nothing
of subscribers or relays: what differs per reader is a slot (`slots`), and who sends the bytes is not decided here.
"""
