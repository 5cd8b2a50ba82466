"""Contains all SQL for the program's own database, with one file for each kind of data.

The functions take a connection on which a transaction is open, and return plain values. They make no decisions and do
not use the network.
"""
