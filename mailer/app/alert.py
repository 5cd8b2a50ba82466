"""Tells the newsroom that something needs a person. Now by a line in the log; it decides nothing."""

import logging

from mailer.context import App
from mailer.errors import sentences

log = logging.getLogger("mailer.alert")


def alert(app: App, what: str, fix: str = "") -> None:
    """`what` went wrong, and how to mend it. Never holds an address or a token: it may be mailed one day."""
    log.warning("ALERT %s", sentences(what, fix))
