"""The program's own database. All its SQL is in this folder, with one file for each kind of data.

The functions take a connection on which a transaction is open, and return plain values. They make no decisions and do
not use the network.
"""
