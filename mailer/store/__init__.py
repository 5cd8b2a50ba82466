"""Everything that outlives a process. All SQL is in this folder, one file for each noun.

Functions take a connection inside a transaction and return plain values. They decide nothing and use no network.
"""
