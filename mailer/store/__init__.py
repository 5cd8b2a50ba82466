"""Memory: everything that outlives a process. SQL lives only here, and each file is one noun.

The rooms take a connection inside a transaction and return plain values; decide nothing and wait for no net.
"""
