"""The website. Its pages call use cases, and errors become HTTP statuses. It sets no cookies and needs no scripts."""

from mailer.web.app import create
from mailer.web.health import Pulse

__all__ = ["Pulse", "create"]
