"""Messages: builds the bytes of one reader's mail from a variant. A variant is compiled once for all its readers."""

import asyncio
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from mailer import tokens
from mailer.context import App
from mailer.mail import header_encoding, headers, merge, placeholders, view
from mailer.model import Batch, Delivery, DeliveryKind, Variant
from mailer.readers import joining
from mailer.sending.queue import Queue
from mailer.store import issues

INERT = "/unsubscribe/test"  # path of the unsubscribe link in a test mail; its page changes nothing
INERT_PREFERENCES = "/preferences/test"


@dataclass(frozen=True, slots=True)
class Compiled:
    """A variant that `compile` has prepared, so that only a reader's values must be filled in. Several threads may use
    the same object at once."""

    app: App
    template: merge.Template
    subject: str  # the subject if it contains placeholders, and otherwise empty

    def message(self, delivery: Delivery, now: datetime) -> bytes:
        """Returns the whole mail: its `pieces`, joined."""
        return b"".join(self.pieces(delivery, now))

    def pieces(self, delivery: Delivery, now: datetime) -> list[bytes]:
        """Returns the mail in pieces, as it is sent after DATA: 7-bit, with CRLF line ends, and signed unless the relay
        signs. Most pieces are the same for all readers. A delivery always gets the same Message-ID (RFC 5322 section
        3.6.4): if a crash makes this program send the mail twice, the two copies can be recognised.

        Raises ValueError if the mail cannot be built for this reader, for example because the address is invalid in To.
        """
        leave = _leave_url(self.app, delivery)
        values = _values(self.app, delivery, leave)
        own = headers.reader_fields(
            to=self.app.redirect or delivery.address,
            meant_for=delivery.address if self.app.redirect else "",
            date=now,
            message_id=tokens.message_id(self.app.keys, delivery.key, self.app.domain),
            unsubscribe_url=leave,
            feedback_id=feedback_id(delivery),
        )
        if self.subject:
            own["Subject"] = header_encoding.encode("Subject", placeholders.fill(self.subject, values, "header"))
        head, body = self.template.head(own), self.template.body(values)
        signature = self.app.signer.sign(head, body, now) if self.app.signer else b""
        return [signature, head, b"\r\n", *body]


def compile(app: App, variant: Variant, kind: DeliveryKind) -> Compiled:
    """Compiles a variant for mails of the given kind and builds a trial mail for an invented reader. Raises ValueError
    if the variant or the settings have a fault, so that the fault is found before any reader's delivery is affected."""
    values = _trial_values(app, kind)
    boundary = headers.boundary(f"{kind}.{variant.sha256}")
    fields = _fields(app, kind, placeholders.fill(variant.subject, values, "header"), boundary)
    named = placeholders.names(variant.subject)
    own = (*headers.READER_FIELDS, "Subject") if named else headers.READER_FIELDS
    template = merge.compile(fields, own, variant.text, variant.html, boundary)
    template.merge(dict(fields), values)
    return Compiled(app, template, variant.subject if named else "")


def _fields(app: App, kind: DeliveryKind, subject: str, boundary: str) -> list[tuple[str, bytes]]:
    """Returns the header fields of a mail for an invented reader."""
    own = headers.reader_fields(
        to=app.sender[1],
        date=datetime.fromtimestamp(0, UTC),
        message_id=tokens.message_id(app.keys, "trial", app.domain),
        unsubscribe_url=app.url(INERT),
        feedback_id="trial",
    )
    newsletter = app.settings.newsletter
    if kind in (DeliveryKind.ISSUE, DeliveryKind.WELCOME, DeliveryKind.TEST):
        of_kind = headers.list_headers(
            own,
            list_id=list_id(app),
            list_name=newsletter.title,
            archive_url=app.url("/archive"),
            help_url=app.url("/"),
        )
    else:  # confirmations, reminders and notices have no unsubscribe link
        of_kind = [("Auto-Submitted", b"auto-generated")]  # RFC 3834 section 5: prevents vacation replies
    return headers.message_headers(
        own,
        sender=app.sender,
        subject=subject,
        reply_to=newsletter.reply_to,
        kind_headers=of_kind,
        language=newsletter.locale,
        boundary=boundary,
    )


def list_id(app: App) -> str:
    """Returns the List-Id (RFC 2919), a name that stays the same even if the list moves to another host."""
    return app.settings.newsletter.list_id or f"weekly.{app.domain}"


def feedback_id(delivery: Delivery) -> str:
    """Returns the Feedback-ID, `issue:list:type:sender`, by which providers count complaints. A Feedback-ID has at most
    four parts; this one does not identify the reader."""
    kind = delivery.kind.value
    issue = delivery.key.split(".")[1] if delivery.kind is DeliveryKind.ISSUE else kind
    return f"{issue}:weekly:{kind}:khabarnameh"


def _values(app: App, delivery: Delivery, leave: str) -> dict[str, str]:
    """Returns the values of the placeholders in a reader's mail."""
    if delivery.kind in (DeliveryKind.CONFIRMATION, DeliveryKind.REMINDER):
        link = app.url(joining.INERT) if app.redirect else joining.url_of(app, delivery.key)
        return {"confirm_url": link}
    reader = None if app.redirect else delivery.subscriber_id
    return {
        "greeting": view.greeting(delivery.name, app.renderer.locale),
        "unsubscribe_url": leave,
        "preferences_url": app.url(INERT_PREFERENCES) if reader is None else app.preferences_url(reader),
    }


def _trial_values(app: App, kind: DeliveryKind) -> dict[str, str]:
    if kind in (DeliveryKind.CONFIRMATION, DeliveryKind.REMINDER):
        return {"confirm_url": app.url(joining.INERT)}
    return {
        "greeting": view.greeting("", app.renderer.locale),
        "unsubscribe_url": app.url(INERT),
        "preferences_url": app.url(INERT_PREFERENCES),
    }


def _leave_url(app: App, delivery: Delivery) -> str:
    # A staging deployment often has a copy of the real list and of the real keys. A click on a link in a staging mail
    # must not unsubscribe a real reader.
    if delivery.subscriber_id is None or app.redirect:
        return app.url(INERT)
    return app.unsubscribe_url(delivery.subscriber_id, delivery.issue_id or 0)


# --- building ahead --------------------------------------------------------------------------------------------------
# Usually a connection builds each message when the message is needed. If this program signs with DKIM, worker threads
# build some messages ahead of time, because an RSA signature takes longer than all other work on a message and releases
# Python's interpreter lock. A thread gets a chunk of deliveries at once, because handing over single messages would
# cost more time than it saves. A connection whose message is not ready builds the message itself.
CHUNK = 16  # number of deliveries that a worker thread gets at once
AHEAD = 2 * CHUNK  # while this many built mails wait, no further chunk is begun


class Mails:
    """Builds mails: when a connection needs them, or ahead of time for deliveries that wait in `queue`."""

    def __init__(self, app: App, queue: Queue) -> None:
        self._app = app
        self._queue = queue
        self._compiled: dict[int, Compiled] = {}
        self._threads = min(2, os.cpu_count() or 1) if app.signer else 0
        self._pool = ThreadPoolExecutor(self._threads, "sign") if self._threads else None
        self._built: dict[int, tuple[Batch, Sequence[bytes]]] = {}  # delivery id → its batch and mail
        self._building: set[asyncio.Task[None]] = set()

    def is_compiled(self, job: Delivery) -> bool:
        """Returns whether this process has compiled the variant of a delivery before."""
        return job.variant_id in self._compiled

    async def compile(self, job: Delivery) -> None:
        """Compiles the variant of a delivery if it is not compiled yet. Raises ValueError or another error if that
        fails; then no mail of the variant can be built."""
        if not self.is_compiled(job):
            variant = await asyncio.to_thread(self._app.store.read, partial(issues.variant, variant_id=job.variant_id))
            self._compiled[job.variant_id] = await asyncio.to_thread(compile, self._app, variant, job.kind)

    def build(self, job: Delivery) -> Sequence[bytes] | None:
        """Returns the mail of a delivery without waiting, or None if the variant is not compiled yet. Raises ValueError
        if the mail cannot be built for this reader."""
        built = self._built.pop(job.id, None)
        if built:
            return built[1]
        compiled = self._compiled.get(job.variant_id)
        return compiled.pieces(job, self._app.now()) if compiled else None

    def keep(self, job: Delivery, content: Sequence[bytes]) -> None:
        """Keeps the built mail of a delivery that is put back into the queue, unless its batch was dropped."""
        self._forget_dropped()
        self._keep(job, content)

    def _keep(self, job: Delivery, content: Sequence[bytes]) -> None:
        if self._queue.holds(job.batch):
            self._built[job.id] = job.batch, content

    def _forget_dropped(self) -> None:
        self._built = {number: built for number, built in self._built.items() if self._queue.holds(built[0])}

    # --- ahead of time
    @property
    def building(self) -> bool:
        """Returns whether worker threads are building mails. When a mail is built, its delivery is queued again."""
        return bool(self._building)

    async def some_built(self) -> None:
        """Waits until a worker thread has finished its chunk."""
        await asyncio.wait(self._building, return_when=asyncio.FIRST_COMPLETED)

    def build_ahead(self) -> None:
        while self._pool and len(self._building) < self._threads and len(self._built) < AHEAD:
            jobs = self._queue.take_ahead(len(self._built), CHUNK)
            if not jobs:
                return
            task = asyncio.create_task(self._build_chunk(self._pool, jobs))
            self._building.add(task)
            task.add_done_callback(self._building.discard)

    async def _build_chunk(self, pool: ThreadPoolExecutor, jobs: Sequence[Delivery]) -> None:
        contents: Sequence[Sequence[bytes] | None] = [None] * len(jobs)
        try:
            contents = await asyncio.get_running_loop().run_in_executor(pool, self._build_all, jobs)
        finally:
            self._forget_dropped()
            for job, content in zip(reversed(jobs), reversed(contents), strict=True):
                self._queue.put_back(job)
                if content:
                    self._keep(job, content)

    def _build_all(self, jobs: Sequence[Delivery]) -> list[Sequence[bytes] | None]:
        return [self._build_or_none(job) for job in jobs]

    def _build_or_none(self, job: Delivery) -> Sequence[bytes] | None:
        compiled = self._compiled.get(job.variant_id)
        try:
            return compiled.pieces(job, self._app.now()) if compiled else None
        except ValueError:
            return None  # the connection that takes this delivery gets the same error and reports it

    async def close(self) -> None:
        """Waits until the worker threads are done and their deliveries are back in the queue."""
        await asyncio.gather(*self._building, return_exceptions=True)
        if self._pool:
            self._pool.shutdown(wait=False)
