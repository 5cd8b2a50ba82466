"""The sending engine: claims deliveries from the ledger, makes their messages, hands them to relays, records outcomes.

It does not decide which issue is sent; `issues.delivery` does.
"""
