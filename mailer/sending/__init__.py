"""The sending engine: claims deliveries from the ledger, builds their messages, hands the messages to relays and
records the outcomes.

`issues.delivery`, not this package, decides which issue is sent.
"""
