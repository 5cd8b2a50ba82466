"""SMTP: a relay (`relay`), a session with it (`session`), its connection (`connection`) and its answers (`replies`).

This package hands finished bytes to a relay and returns what the relay answered. It does not choose a relay, retry,
limit the rate, write the ledger or build mail.
"""
