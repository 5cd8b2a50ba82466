"""The SMTP client. `relay` opens sessions with a relay, `session` sends mails, `connection` writes commands and reads
answers, and `reply_parser` parses the answers.

This package sends finished mails to a relay and returns what the relay answered. It does not choose a relay, retry,
limit the rate, write the ledger or build mail.
"""
