"""The sending engine: claims deliveries from the ledger, makes their messages, hands them to relays and records the
outcomes.

`issues.delivery`, not this package, decides which issue is sent.
"""
