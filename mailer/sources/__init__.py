"""Reads articles (`FoundArticle`) and lists of people (`ListRow`) from files, web addresses and databases.

An item that cannot be read is left out and reported in a note. Other packages choose articles (`choice`) and compare
them with stored articles (`store`).
"""
