"""The SMTP client: relays (`relay`), sessions with them (`session`), their connections (`connection`) and the parsing
of their replies (`reply_parser`).

This package sends finished mails to a relay and returns what the relay answered. It does not choose a relay, retry,
limit the rate, write the ledger or build mail.
"""
