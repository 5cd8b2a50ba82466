"""The way out for mail: a relay (`relay`), a session with it (`session`), its line (`line`), what is written
(`commands`), what comes back (`replies`) and what the relay copes with (`manners`).

It hands over finished bytes and tells what the relay answered. It does not choose a relay, try again, keep a pace,
write a ledger or make a mail.
"""
