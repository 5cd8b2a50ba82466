"""The pages for readers: /unsubscribe, /subscribe, /confirm and /preferences.

A GET changes nothing, because link scanners and prefetching open every link of a mail. Changes are made only by POSTs,
either from a button on these pages or from a mail program's one-click unsubscription. No page reveals whether an
address is known.
"""

import asyncio
import logging
import random
from asyncio import to_thread

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from mailer import tokens
from mailer.context import App
from mailer.errors import BadAddress, BadToken, MailerError, TooMany
from mailer.issues import archive
from mailer.model import OTHER_NEWS, Method
from mailer.readers import joining, leaving, preferences
from mailer.text import calendar
from mailer.tokens import Purpose
from mailer.web.guard import agent_of, form_of, network_of
from mailer.web.page import render

log = logging.getLogger(__name__)
TRAP = "website"  # a form field that is hidden from people; if the field is filled in, a program sent the form


class ReaderPages:
    """The request handlers. Use cases run in threads, so that a sender in the same event loop does not have to wait."""

    def __init__(self, app: App) -> None:
        self.app = app
        self._deciding: asyncio.Task[None] | None = None

    def routes(self) -> list[Route]:
        handlers = (
            ("/unsubscribe/{token}", "GET", self.unsubscribe_form),
            ("/unsubscribe/{token}", "POST", self.unsubscribe),
            ("/unsubscribe/undo/{token}", "POST", self.undo),
            ("/unsubscribe/why/{token}", "POST", self.explain),
            ("/subscribe", "GET", self.subscribe_form),
            ("/subscribe", "POST", self.subscribe),
            ("/confirm/{token}", "GET", self.confirm_form),
            ("/confirm/{token}", "POST", self.confirm),
            ("/preferences/{token}", "GET", self.preferences_form),
            ("/preferences/{token}", "POST", self.choose),
        )
        # Each path also works with a slash at its end, because a one-click POST must not be redirected (RFC 8058 §3.1).
        return [Route(path + end, handler, methods=[method]) for path, method, handler in handlers for end in ("", "/")]

    # --- leaving
    async def unsubscribe_form(self, request: Request) -> Response:
        token = request.path_params["token"]
        holder = await to_thread(leaving.link_holder, self.app, token)
        values = {
            "masked": holder.masked,
            "action": f"/unsubscribe/{token}",
            "preferences": f"/preferences/{holder.preferences}" if holder.preferences else "",
        }
        return render(self.app, "unsubscribe", values)

    async def unsubscribe(self, request: Request) -> Response:
        """Unsubscribes the reader if the POST is a one-click unsubscription (RFC 8058) or was sent by the form.

        Shows the form for any other POST.
        """
        token = request.path_params["token"]
        tokens.read(self.app.keys, Purpose.UNSUBSCRIBE, token)  # first, so that no body is read for an invalid token
        method = await _method(request)
        if method is None:
            return await self.unsubscribe_form(request)
        agent, network = agent_of(request), network_of(request)
        left = await to_thread(leaving.leave, self.app, token, method, agent=agent, network=network)
        say = self.app.renderer.locale.say
        labels = {
            "too_often": say("تعداد نامه‌ها زیاد بود"),
            "not_relevant": say("خبرها برایم جالب نبود"),
            "never_joined": say("خودم عضو نشده بودم"),
            "elsewhere": say("خبرها را جای دیگری می‌خوانم"),
            "other": say("دلیل دیگر"),
        }
        values = {
            "undo_action": f"/unsubscribe/undo/{left.undo}" if left.undo else "",
            "why_action": f"/unsubscribe/why/{left.why}" if left.why else "",
            "whys": [{"value": reason, "label": labels[reason]} for reason in leaving.REASONS],
        }
        return render(self.app, "unsubscribed", values)

    async def undo(self, request: Request) -> Response:
        if not await to_thread(leaving.undo, self.app, request.path_params["token"]):
            raise BadToken("It is too late to undo this.")
        return render(self.app, "returned")

    async def explain(self, request: Request) -> Response:
        form = await form_of(request)
        token, reason, text = request.path_params["token"], form.get("why", ""), form.get("text", "")
        if not await to_thread(leaving.explain, self.app, token, reason, text):
            raise BadToken("It is too late to give a reason, or none was given.")
        return render(self.app, "thanks")

    # --- joining
    async def subscribe_form(self, request: Request) -> Response:
        return self._subscribe_form()

    def _subscribe_form(self, status: int = 200, **values: object) -> Response:
        shown = {
            "words": joining.consent_words(self.app),
            "form_token": joining.form_token(self.app),
            "trap": TRAP,
            "email": "",
            "problem": "",
            "meant": "",
            "step": False,  # True if the form on the news site was used: the reader has to press one more button
            **values,
        }
        return render(self.app, "subscribe", shown, status)

    async def subscribe(self, request: Request) -> Response:
        """Stores the sign-up request if the POST comes from this program's own form; otherwise shows that form."""
        form = await form_of(request)
        email = form.get("email", "")[:300]
        say = self.app.renderer.locale.say
        if form.get(TRAP):
            return render(self.app, "asked")
        try:
            found, meant = joining.check(email)
            if meant and "sure" not in form:
                return self._subscribe_form(email=email, meant=meant)
            if not joining.is_own_form(self.app, form.get("form", "")):
                again = joining.form_token_again(self.app, form.get("form", ""))
                return self._subscribe_form(email=found.written, step=True, form_token=again)
            network, agent = network_of(request), agent_of(request)
            await to_thread(joining.sign_up, self.app, found, network=network, agent=agent)
        except BadAddress:
            problem = say("این نشانی ایمیل درست نیست؛ چیزی مانند name@example.com بنویسید.")
            return self._subscribe_form(422, email=email, problem=problem)
        except TooMany:
            problem = say("از شبکهٔ شما درخواست‌های زیادی رسیده است. یک ساعت دیگر دوباره امتحان کنید.")
            return self._subscribe_form(429, email=email, problem=problem)
        self._decide_soon()
        return render(self.app, "asked")

    def _decide_soon(self) -> None:
        """Starts a task that decides the stored sign-up requests after a random delay of about a second.

        Because of the delay, the response times of this request and the next do not reveal whether an address is on the
        list. If the process ends before the task, the next tick of the clock decides the requests.
        """
        if self._deciding is None or self._deciding.done():
            self._deciding = asyncio.get_running_loop().create_task(self._decide())

    async def _decide(self) -> None:
        await asyncio.sleep(0.5 + random.random())  # noqa: S311 - not used as a secret
        try:
            await to_thread(joining.decide_signups, self.app)
        except MailerError as error:
            log.error("%s", error)

    async def confirm_form(self, request: Request) -> Response:
        token = request.path_params["token"]
        masked = await to_thread(joining.masked_address, self.app, token)
        return render(self.app, "confirm", {"masked": masked, "action": f"/confirm/{token}"})

    async def confirm(self, request: Request) -> Response:
        if "confirm" not in await form_of(request):
            return await self.confirm_form(request)
        agent, network = agent_of(request), network_of(request)
        token = request.path_params["token"]
        preferences_token = await to_thread(joining.confirm, self.app, token, agent=agent, network=network)
        latest = await to_thread(archive.latest, self.app)
        return render(self.app, "welcome", {"latest": latest, "preferences": f"/preferences/{preferences_token}"})

    # --- preferences
    async def preferences_form(self, request: Request) -> Response:
        token = request.path_params["token"]
        return self._preferences(token, await to_thread(preferences.current, self.app, token))

    async def choose(self, request: Request) -> Response:
        token = request.path_params["token"]
        form = await form_of(request)
        if "save" not in form:
            return await self.preferences_form(request)
        weeks = form.get("pause", "")
        pause = int(weeks) if weeks.isascii() and weeks.isdigit() and len(weeks) < 4 else None
        kept = await to_thread(preferences.choose, self.app, token, form.getlist("section"), pause)
        return self._preferences(token, kept, saved=True)

    def _preferences(self, token: str, found: preferences.Preferences, *, saved: bool = False) -> Response:
        until, locale = found.paused_until, self.app.renderer.locale
        pauses = [
            {"weeks": weeks, "label": locale.say("{count} هفته", count=weeks)} for weeks in preferences.PAUSES if weeks
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
        return render(self.app, "preferences", values)


async def _method(request: Request) -> Method | None:
    """Returns the method of an unsubscription by POST, or None if the POST does not ask to unsubscribe."""
    form = await form_of(request)
    fields = {name.casefold(): value.strip().casefold() for name, value in form.items()}
    if fields.get("list-unsubscribe") == "one-click":
        return Method.ONE_CLICK
    return Method.PAGE if "leave" in fields else None
