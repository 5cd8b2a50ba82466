"""The pages on which readers act: joining, confirming, preferences, and saying why they left.

A GET changes nothing, whoever makes it; only a POST with our button does. Nothing a page says tells whether an address
is known.
"""

import asyncio
import logging
import random
from collections.abc import Callable, Mapping
from functools import partial

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from mailer.context import App
from mailer.errors import BadAddress, BadToken, MailerError, TooMany
from mailer.issues import archive
from mailer.model import OTHER_NEWS
from mailer.readers import joining, leaving, preferences
from mailer.text import calendar
from mailer.text.locales import Locale
from mailer.web.guard import agent_of, form_of, network_of

log = logging.getLogger(__name__)
Render = Callable[..., HTMLResponse]

TRAP = "website"  # a field that no person sees and programs fill in


class ReaderPages:
    """The handlers. `page(name, values, status)` renders one of our templates."""

    def __init__(self, app: App, page: Render) -> None:
        self.app = app
        self.page = page
        self._settling: asyncio.Task[None] | None = None

    def routes(self) -> list[Route]:
        handlers = (
            ("/subscribe", "GET", self.form),
            ("/subscribe", "POST", self.wish),
            ("/confirm/{token}", "GET", self.asked),
            ("/confirm/{token}", "POST", self.confirm),
            ("/preferences/{token}", "GET", self.chosen),
            ("/preferences/{token}", "POST", self.choose),
            ("/unsubscribe/why/{token}", "POST", self.why),
        )
        # With and without the slash: nobody who typed an address of ours off a screen is sent away.
        return [Route(path + end, handler, methods=[method]) for path, method, handler in handlers for end in ("", "/")]

    # --- joining
    async def form(self, request: Request) -> Response:
        return self._form()

    def _form(self, status: int = 200, **values: object) -> HTMLResponse:
        shown = {
            "words": joining.consent_words(self.app),
            "form_token": joining.form_token(self.app),
            "trap": TRAP,
            "email": "",
            "problem": "",
            "meant": "",
            **values,
        }
        return self.page("subscribe", shown, status)

    async def wish(self, request: Request) -> Response:
        """Our own form: the wish is taken. The news site's own form, without our token: our form, filled in."""
        form = await form_of(request)
        email = form.get("email", "")[:300]
        say = self.app.renderer.locale.say
        if form.get(TRAP):
            return self.page("asked")
        try:
            found, meant = joining.check(email)
            if meant and "sure" not in form:
                return self._form(email=email, meant=meant)
            if not joining.form_is_ours(self.app, form.get("form", "")):
                return self._form(email=found.written)
            work = partial(joining.wish, self.app, found, network=network_of(request), agent=agent_of(request))
            await asyncio.to_thread(work)
        except BadAddress:
            problem = say("این نشانی درست نیست. یک بار دیگر نگاهش کنید.")
            return self._form(422, email=email, problem=problem)
        except TooMany:
            problem = say("از شبکهٔ شما درخواست‌های زیادی رسیده است. یک ساعت دیگر دوباره امتحان کنید.")
            return self._form(429, email=email, problem=problem)
        self._settle_soon()
        return self.page("asked")

    def _settle_soon(self) -> None:
        """Decides the wish a moment later, at no fixed time, so that neither this answer nor the next one tells by its
        duration what was decided. Should we die before, the next tick does it."""
        if self._settling is None or self._settling.done():
            self._settling = asyncio.get_running_loop().create_task(self._settle())

    async def _settle(self) -> None:
        await asyncio.sleep(0.5 + random.random())  # noqa: S311 - spreads, hides nothing
        try:
            await asyncio.to_thread(joining.decide_wishes, self.app)
        except MailerError as error:
            log.error("%s", error)

    async def asked(self, request: Request) -> Response:
        """GET and HEAD: one button. Scanners that open the link in the mail confirm nothing."""
        token = request.path_params["token"]
        masked = await asyncio.to_thread(joining.masked_address, self.app, token)
        return self.page("confirm", {"masked": masked, "action": f"/confirm/{token}"})

    async def confirm(self, request: Request) -> Response:
        if "confirm" not in await form_of(request):
            return await self.asked(request)
        agent, network = agent_of(request), network_of(request)
        token = request.path_params["token"]
        done = await asyncio.to_thread(joining.confirm, self.app, token, agent=agent, network=network)
        latest = await asyncio.to_thread(archive.latest, self.app)
        return self.page("welcome", {"latest": latest, "preferences": f"/preferences/{done.preferences}"})

    # --- preferences
    async def chosen(self, request: Request) -> Response:
        token = request.path_params["token"]
        return self._preferences(token, await asyncio.to_thread(preferences.current, self.app, token))

    async def choose(self, request: Request) -> Response:
        token = request.path_params["token"]
        form = await form_of(request, lists=True)
        if "save" not in form:
            return await self.chosen(request)
        weeks = (form.get("pause") or [""])[0]
        pause = int(weeks) if weeks.isascii() and weeks.isdigit() and len(weeks) < 4 else None
        sections = form.get("section", [])
        kept = await asyncio.to_thread(preferences.choose, self.app, token, sections, pause)
        return self._preferences(token, kept, saved=True)

    def _preferences(self, token: str, found: preferences.Preferences, *, saved: bool = False) -> Response:
        until, locale = found.paused_until, self.app.renderer.locale
        pauses = [
            {"weeks": weeks, "label": locale.say("{count} هفته", count=locale.number(weeks))}
            for weeks in preferences.PAUSES
            if weeks
        ]
        values = {
            "action": f"/preferences/{token}",
            "saved": saved,
            "sections": [
                {"name": name, "label": locale.say(name) if name == OTHER_NEWS else name, "chosen": chosen}
                for name, chosen in found.sections
            ],
            "paused_until": calendar.long_date(until, self.app.settings.newsletter.calendar, locale) if until else "",
            "pauses": pauses,
            "unsubscribe": f"/unsubscribe/{found.unsubscribe}",
        }
        return self.page("preferences", values)

    # --- leaving
    async def why(self, request: Request) -> Response:
        form = await form_of(request)
        reason, text = form.get("why", ""), form.get("text", "")
        token = request.path_params["token"]
        if not await asyncio.to_thread(leaving.explain, self.app, token, reason, text):
            raise BadToken("It is too late to say why, or nothing was said.")
        return self.page("thanks")


def why_choices(locale: Locale) -> list[Mapping[str, str]]:
    """The choices of the form on the page after leaving."""
    labels = {
        "too_often": locale.say("نامه‌ها زیاد بود"),
        "not_relevant": locale.say("خبرها به کارم نمی‌آمد"),
        "never_joined": locale.say("خودم عضو نشده بودم"),
        "elsewhere": locale.say("خبرها را جای دیگری می‌خوانم"),
        "other": locale.say("دلیل دیگر"),
    }
    return [{"value": reason, "label": labels[reason]} for reason in leaving.REASONS]
