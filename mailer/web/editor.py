"""The pages for editors: the draft with its buttons at /editor/{token}, and the preview of the mail."""

from asyncio import to_thread

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from mailer.context import App
from mailer.issues import editor_page
from mailer.web.guard import ISSUE_CSP, form_of
from mailer.web.page import render


def routes(app: App) -> list[Route]:
    async def editor(request: Request) -> Response:
        """Shows the draft. If the request is a POST from a button, first carries out the action of the button."""
        form = await form_of(request) if request.method == "POST" else {}
        token, action, shown = request.path_params["token"], form.get("action", ""), form.get("shown", "")
        return render(app, "editor", await to_thread(editor_page.act, app, token, action, shown))

    async def preview(request: Request) -> Response:
        html = await to_thread(editor_page.preview, app, request.path_params["token"])
        return HTMLResponse(html, headers={"content-security-policy": ISSUE_CSP})

    return [
        Route("/editor/{token}", editor, methods=["GET", "POST"]),
        Route("/editor/{token}/preview", preview),
    ]
