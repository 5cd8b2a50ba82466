"""Serves the website. Pages call use cases, and errors become HTTP statuses. No page sets cookies or needs scripts."""

from mailer.web.app import create
from mailer.web.health import Pulse

__all__ = ["Pulse", "create"]
