"""Decides what a relay's reply means for a mail, and whose fault a refusal is.

The functions are pure. `sending.retry_schedule` decides what happens to the delivery next. Other modules keep the state
of relays and lanes.
"""

import re

from mailer.address import without_addresses
from mailer.model import Accepted, Deferred, NotSent, Outcome, Rejected, Rejection, Reply, Unknown

# Enhanced status codes (RFC 3463) of an address that does not exist.
_DEAD = frozenset({"5.1.1", "5.1.2", "5.1.6", "5.1.10", "5.4.4"})
# Enhanced status codes that do not say whose fault a refusal is. The text of the reply then decides.
_VAGUE = frozenset({"", "5.0.0", "5.1.0", "5.2.0", "5.2.1", "5.3.0", "5.4.0", "5.4.1", "5.5.0", "5.5.1"})
_ENHANCED = re.compile(r"(?<![\d.])[45]\.\d{1,3}\.\d{1,3}(?![\d.]|\w)")


def _any_of(*phrases: str) -> re.Pattern[str]:
    return re.compile("|".join(phrases), re.IGNORECASE)


_REFUSES_SENDER = _any_of(
    r"spam|unsolicited|virus|malware|suspicious|\bbanned\b|content (was )?rejected|reputation|polic(y|ies)\b",
    r"\bblock(ed|ing|list)|black ?list|\brbl\b|dnsbl|rate limit|frequency limited|too many (connections|messages)",
    r"\bdmarc\b|\bspf\b|\bdkim\b|authenticat|reverse dns|\bptr\b|mismatches client|client host rejected",
    r"relay(ing)? (access )?(denied|not|prohibited)|sender (address )?(rejected|denied|refused)",
    r"access denied|service refus|not accepted from|\bprohibited",
)
# Phrases about the name, host or address of this sender. In a text with such a phrase, "unknown host" or "unknown user"
# is not about the reader.
_ABOUT_SENDER = _any_of(
    r"\b(helo|ehlo)\b|(?<!to )(?<!to the )\bsender\b|\benvelope[- ]from\b|\bmail from\b",
    r"\breturn[- ]path\b|verif(y|ication) failed",
    r"\b(client|your|sending) (host|domain|server|ip)|\byour (reverse|dns)|cannot (find|resolve) your",
)
_REFUSES_SENDER_CLEARLY = _any_of(r"spam|\bblock(ed|list)|black ?list|dnsbl|reputation|\bdmarc\b|preferences")
_FULL = _any_of(r"quota|(mailbox|inbox|user)\b.{0,30}\bfull\b|out of storage|insufficient (system )?storage")
_TEMPORARY = _any_of(
    r"disabled|suspended|deactivated|discontinued|\binactive\b|not accepting|disk full|temporar",
    r"too (large|big|long)\b|message size|size limit|exceed(s|ed)\b.{0,30}(size|storage|limit)",
    r"try (again|later)|timed? ?out",
)
_NO_SUCH_READER = _any_of(
    r"(user|recipient|address|mailbox|account|customer)( is|:)? (unknown|not (found|known|exist)|no longer)",
    r"(user|recipient|address|mailbox|account|email)\S{0,80} (\S{1,80} ){0,6}(does not|doesn.?t|do not) "
    r"(exist|have an?\b)",
    r"unknown (or illegal )?(user|recipient|local|address|mailbox|account|alias)|unknown in (virtual|local|relay)",
    r"no such (user|person|recipient|mailbox|address|account|domain|host|customer)|no mailbox|no account|null mx",
    r"invalid (recipient|mailbox|user|address)|not a valid (mailbox|recipient|user|address)|not our customer",
    r"mailbox (unavailable|unknown)|recip(ient)?notfound|undeliverable address|(?<!sender )address rejected",
    r"(host|domain)( name)? (unknown|not found)|unrouteable|bad destination mailbox|domain is not reachable",
    r"no longer (valid|here|in use|on server|with|available)|has (been )?(moved|deleted)",
)


def classify(reply: Reply) -> Outcome:
    """Returns the outcome that a relay's reply means for a mail. The same code means different outcomes in different
    phases. Never raises.

    A reply that is not allowed in its phase counts as a lost connection.
    """
    kind = reply.code // 100
    if reply.phase not in ("MAIL", "RCPT", "DATA", "dot"):
        return NotSent(reply, relay_fault=True)  # a reply in a phase before MAIL concerns the relay, not the mail
    if kind == 4:
        return Deferred(reply)
    if reply.phase == "MAIL":
        # A permanent refusal of MAIL is about the sender, so the relay would refuse any mail. Instead of rejecting this
        # mail, the program stops using the relay for a while.
        return NotSent(reply, relay_fault=kind == 5)
    if kind == 5:
        return Rejected(_why(reply), reply)
    if reply.phase == "dot":
        return Accepted(reply) if kind == 2 else Unknown(reply)
    return NotSent(reply)


def answered(outcome: Outcome) -> bool:
    """Returns whether the outcome is an answer of the relay about the mail, and not a lost connection."""
    return isinstance(outcome, Accepted | Deferred | Rejected) and bool(outcome.reply.code)


def _why(reply: Reply) -> Rejection:
    """Returns whose fault a 5xx reply is. A HARD rejection ends all mail to a subscriber, so a doubtful reply never
    counts as HARD."""
    inside = [code for code in _ENHANCED.findall(reply.text) if code != reply.enhanced]
    codes = [*inside, reply.enhanced]
    # 5.7.x is about this sender, whatever else the reply says (RFC 3463 section 3.8).
    if any(code.startswith("5.7.") for code in codes):
        return Rejection.BLOCK
    # A gateway that gives up after greylisting puts the temporary code into the text of a permanent reply.
    if any(code.startswith("4.") for code in codes):
        return Rejection.SOFT
    # A relay's 5.0.0 often wraps the reply of the next host, and the code of that reply says more.
    code = next((code for code in codes if code not in _VAGUE), reply.enhanced)
    text = without_addresses(reply.text, " ")  # a word in an address, as in "spam@example.org", is not a reason
    if code in _VAGUE:
        return _by_text(code, reply.code, text)
    if code in _DEAD:
        if _FULL.search(text):
            return Rejection.SOFT
        return Rejection.BLOCK if _REFUSES_SENDER_CLEARLY.search(text) or _ABOUT_SENDER.search(text) else Rejection.HARD
    if code.startswith("5.2.") or code == "5.3.4":
        return Rejection.SOFT
    # 5.1.7 and 5.1.8 are about the sender's address (RFC 3463 section 3.2).
    if code in ("5.1.7", "5.1.8") or _REFUSES_SENDER.search(text):
        return Rejection.BLOCK
    return Rejection.SOFT if reply.code == 552 else Rejection.OTHER


def _by_text(code: str, reply_code: int, text: str) -> Rejection:
    if _FULL.search(text):
        return Rejection.SOFT
    # One large provider says "5.4.1 Recipient address rejected: Access denied" if the mailbox does not exist.
    if code == "5.4.1" and "recipient address rejected" in text.lower():
        return Rejection.HARD
    if _REFUSES_SENDER.search(text) or _ABOUT_SENDER.search(text):
        return Rejection.BLOCK
    if _TEMPORARY.search(text):
        return Rejection.SOFT
    if _NO_SUCH_READER.search(text):
        return Rejection.HARD
    return Rejection.SOFT if code.startswith("5.2.") or reply_code == 552 else Rejection.OTHER
