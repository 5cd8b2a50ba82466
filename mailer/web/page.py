"""Renders the templates of the pages."""

from collections.abc import Mapping

from starlette.responses import HTMLResponse

from mailer.context import App
from mailer.mail import view


def render(app: App, name: str, values: Mapping[str, object] | None = None, status: int = 200) -> HTMLResponse:
    """Renders the template `page/<name>.html` with these values and the values that every page needs."""
    common = view.page_view(app.settings.newsletter)
    return HTMLResponse(app.renderer.page(name, {**common, **(values or {})}), status)
