"""The readers' door: pages to verbs, errors to statuses. Decides nothing, sets no cookie, needs no JavaScript."""

from mailer.web.pages import Pulse, create

__all__ = ["Pulse", "create"]
