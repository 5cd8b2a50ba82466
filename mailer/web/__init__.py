"""The website: pages that call use cases, and statuses for errors. Decides nothing, sets no cookie, needs no script."""

from mailer.web.app import create
from mailer.web.health import Pulse

__all__ = ["Pulse", "create"]
