"""How a week's top stories are chosen. Pure: articles, rules and a window go in, a `Digest` with its reasons comes out.

It does *not* read the store, know the clock, fetch anything or write a word of the mail.
"""
