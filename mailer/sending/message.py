"""Messages: a variant, compiled once for all its readers, becomes the bytes of the mail to one reader."""

import asyncio
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from mailer import tokens
from mailer.context import App
from mailer.mail import headers, merge, mime, placeholders, view
from mailer.model import Batch, Delivery, DeliveryKind, Variant
from mailer.readers import joining
from mailer.sending.queue import Queue
from mailer.store import issues

INERT = "/unsubscribe/test"  # where the links of a test mail lead: a page that changes nothing
INERT_PREFERENCES = "/preferences/test"


@dataclass(frozen=True, slots=True)
class Compiled:
    """A variant ready to be filled in for one reader. Made by `compile`; several threads may use it at once."""

    app: App
    template: merge.Template
    subject: str  # empty unless it contains a slot

    def message(self, delivery: Delivery, now: datetime) -> bytes:
        """The whole mail; see `pieces`."""
        return b"".join(self.pieces(delivery, now))

    def pieces(self, delivery: Delivery, now: datetime) -> list[bytes]:
        """The mail as it is written after DATA: CRLF, 7-bit, signed if this program signs. Most of its pieces are the
        same for all readers. A delivery always has the same Message-ID (RFC 5322 section 3.6.4), so that a mail that is
        sent twice after a crash can be recognised.

        Raises ValueError if it cannot be built for this reader, for example because the address is invalid in To.
        """
        leave = _leave_url(self.app, delivery)
        values = _values(self.app, delivery, leave)
        own = mime.reader_fields(
            to=self.app.redirect or delivery.address,
            meant_for=delivery.address if self.app.redirect else "",
            date=now,
            message_id=tokens.message_id(self.app.keys, delivery.key, self.app.domain),
            unsubscribe_url=leave,
            feedback_id=feedback_id(delivery),
        )
        if self.subject:
            own["Subject"] = headers.encode("Subject", placeholders.fill(self.subject, values, "header"))
        head, body = self.template.head(own), self.template.body(values)
        signature = self.app.signer.sign(head, body, now) if self.app.signer else b""
        return [signature, head, b"\r\n", *body]


def compile(app: App, variant: Variant, kind: DeliveryKind) -> Compiled:
    """Compiles a variant for mails of that kind and tries it on an invented reader. Raises ValueError if something is
    wrong with the variant or the settings, before the delivery of any reader is affected."""
    values = _trial_values(app, kind)
    boundary = mime.boundary(f"{kind}.{variant.sha256}")
    fields = _fields(app, kind, placeholders.fill(variant.subject, values, "header"), boundary)
    named = placeholders.names(variant.subject)
    own = (*mime.READER_FIELDS, "Subject") if named else mime.READER_FIELDS
    template = merge.compile(fields, own, variant.text, variant.html, boundary)
    template.merge(dict(fields), values)
    return Compiled(app, template, variant.subject if named else "")


def _fields(app: App, kind: DeliveryKind, subject: str, boundary: str) -> list[tuple[str, bytes]]:
    """Returns the header fields of a mail for an invented reader."""
    own = mime.reader_fields(
        to=app.sender[1],
        date=datetime.fromtimestamp(0, UTC),
        message_id=tokens.message_id(app.keys, "trial", app.domain),
        unsubscribe_url=app.url(INERT),
        feedback_id="trial",
    )
    newsletter = app.settings.newsletter
    if kind in (DeliveryKind.ISSUE, DeliveryKind.TEST):
        of_kind = mime.list_headers(
            own,
            list_id=list_id(app),
            list_name=newsletter.title,
            archive_url=app.url("/archive"),
            help_url=app.url("/"),
        )
    else:  # service mails cannot be unsubscribed from
        of_kind = [("Auto-Submitted", b"auto-generated")]  # RFC 3834 section 5: stops vacation replies
    return mime.message_headers(
        own,
        sender=app.sender,
        subject=subject,
        reply_to=newsletter.reply_to,
        kind_headers=of_kind,
        language=newsletter.locale,
        boundary=boundary,
    )


def list_id(app: App) -> str:
    """The List-Id (RFC 2919): a name for the list that outlives its host."""
    return app.settings.newsletter.list_id or f"weekly.{app.domain}"


def feedback_id(delivery: Delivery) -> str:
    """`issue:list:type:sender`, so that complaints can be counted. At most four parts, and nothing about the reader."""
    kind = delivery.kind.value
    issue = delivery.key.split(".")[1] if delivery.kind is DeliveryKind.ISSUE else kind
    return f"{issue}:weekly:{kind}:khabarnameh"


def _values(app: App, delivery: Delivery, leave: str) -> dict[str, str]:
    """The values for the slots of a reader's mail."""
    if delivery.kind is DeliveryKind.CONFIRMATION:
        link = app.url(joining.INERT) if app.redirect else joining.url_of(app, delivery.key)
        return {"confirm_url": link}
    reader = None if app.redirect else delivery.subscriber_id
    return {
        "greeting": view.greeting(delivery.name, app.renderer.locale),
        "unsubscribe_url": leave,
        "preferences_url": app.url(INERT_PREFERENCES) if reader is None else app.preferences_url(reader),
    }


def _trial_values(app: App, kind: DeliveryKind) -> dict[str, str]:
    if kind is DeliveryKind.CONFIRMATION:
        return {"confirm_url": app.url(joining.INERT)}
    return {
        "greeting": view.greeting("", app.renderer.locale),
        "unsubscribe_url": app.url(INERT),
        "preferences_url": app.url(INERT_PREFERENCES),
    }


def _leave_url(app: App, delivery: Delivery) -> str:
    # Staging is often a copy of the real list, with its keys: a link tried there must not unsubscribe a reader.
    if delivery.subscriber_id is None or app.redirect:
        return app.url(INERT)
    return app.unsubscribe_url(delivery.subscriber_id, delivery.issue_id or 0)


# --- building ahead --------------------------------------------------------------------------------------------------
# Messages are built when they are needed and, where this program signs with DKIM, a little ahead on worker threads.
# An RSA signature takes longer than the rest of a message and releases the interpreter's lock. Threads get small
# chunks, because handing over one message at a time would cost more than it gains. A connection whose message is not
# built yet builds it itself.
CHUNK = 16
AHEAD = 2 * CHUNK  # no further chunk is begun while so many built mails wait


class Mails:
    """The mails of deliveries, built when needed or ahead for those that `queue` holds."""

    def __init__(self, app: App, queue: Queue) -> None:
        self._app = app
        self._queue = queue
        self._compiled: dict[int, Compiled] = {}
        self._threads = min(2, os.cpu_count() or 1) if app.signer else 0
        self._pool = ThreadPoolExecutor(self._threads, "sign") if self._threads else None
        self._built: dict[int, tuple[Batch, Sequence[bytes]]] = {}  # delivery id → its batch and mail
        self._building: set[asyncio.Task[None]] = set()

    async def compile(self, job: Delivery) -> None:
        """Compiles the variant of a delivery if necessary. Raises ValueError or another error if it cannot be compiled
        for any reader."""
        if job.variant_id not in self._compiled:
            variant = await asyncio.to_thread(self._app.store.read, partial(issues.variant, variant_id=job.variant_id))
            self._compiled[job.variant_id] = await asyncio.to_thread(compile, self._app, variant, job.kind)

    def build(self, job: Delivery) -> Sequence[bytes] | None:
        """The mail of a delivery, without waiting. Returns None if its variant is not compiled. Raises ValueError if it
        cannot be built for this reader."""
        built = self._built.pop(job.id, None)
        if built:
            return built[1]
        compiled = self._compiled.get(job.variant_id)
        return compiled.pieces(job, self._app.now()) if compiled else None

    def keep(self, job: Delivery, content: Sequence[bytes]) -> None:
        """Keeps a mail whose delivery is put back, unless its batch was dropped."""
        self._forget_dropped()
        self._keep(job, content)

    def _keep(self, job: Delivery, content: Sequence[bytes]) -> None:
        if self._queue.holds(job.batch):
            self._built[job.id] = job.batch, content

    def _forget_dropped(self) -> None:
        self._built = {number: built for number, built in self._built.items() if self._queue.holds(built[0])}

    # --- ahead
    @property
    def building(self) -> bool:
        """Returns whether worker threads are building mails; their deliveries return to the queue."""
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
            return None  # the connection that takes this delivery fails in the same way and reports it

    async def close(self) -> None:
        """Waits until all deliveries are back in the queue."""
        await asyncio.gather(*self._building, return_exceptions=True)
        if self._pool:
            self._pool.shutdown(wait=False)
