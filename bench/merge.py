"""Measures the CPU time of building one reader's mail: for merging, for signing, and for the whole mail.

`python -m bench.merge [--json]` prints the figures in microseconds. Each figure is the best of several rounds, because
other work on the machine makes a round slower, never faster.
"""

import json
import random
import sys
import tempfile
import time
import timeit
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ed25519, rsa

from bench.page import Options, table
from mailer import config
from mailer.cli.setup import make_deployment
from mailer.config import reference
from mailer.mail import dkim, headers, merge, placeholders, view
from mailer.model import Batch, Delivery, DeliveryKind, Variant
from mailer.sending import message
from mailer.wiring import wire

HTML_BYTES, TEXT_BYTES = 45_000, 6_000
ROUNDS, ROUND_S = 40, 0.005  # the rounds are short, so that other work does not disturb all of them
AT = datetime(2026, 11, 26, 5, 30, tzinfo=UTC)
_WORDS = (
    "خبر",
    "هفته",
    "دولت",
    "بازار",
    "کتاب‌خانه",
    "شهر",
    "دانشگاه",
    "ورزش",
    "فیلم",
    "مردم",
    "سال",
    "تازه",
    "می‌شود",
    "گزارش",
)


@dataclass(frozen=True)
class Row:
    """One measurement, in microseconds a mail."""

    name: str
    micros: float


def variant(html_bytes: int = HTML_BYTES, text_bytes: int = TEXT_BYTES) -> Variant:
    """Returns a mail of about the given size, with its placeholders where the built-in templates have them."""
    greeting, leave = placeholders.named("greeting"), placeholders.named("unsubscribe_url")
    html = f'<html lang="fa" dir="rtl"><body><p>{greeting}،</p>\n{_filler(html_bytes, "<p>{}</p>")}'
    html += f'<p><a href="{leave}">لغو اشتراک</a></p></body></html>\n'
    text = f"{greeting}،\n{_filler(text_bytes, '{}')}لغو اشتراک:\n{leave}\n"
    return Variant(1, "شورای شهر با ساخت سه بوستان موافقت کرد", html, text, "ab" * 32)


def _filler(size: int, paragraph: str) -> str:
    chance, lines, have = random.Random(7), [], 0
    while have < size:
        lines.append(paragraph.format(" ".join(chance.choices(_WORDS, k=14))) + "\n")
        have += len(lines[-1].encode())
    return "".join(lines)


def measure() -> list[Row]:
    """Measures and returns all rows, in the order of the report."""
    with tempfile.TemporaryDirectory() as folder:
        make_deployment(Path(folder), reference.config_toml())
        app = wire(config.load(Path(folder) / "config.toml", {}), {})
        try:
            mail = variant()
            compiled = message.compile(app, mail, DeliveryKind.ISSUE)
            reader = _reader()
            whole = compiled.message(reader, AT)
            values = {
                "greeting": view.greeting(reader.name),
                "unsubscribe_url": app.unsubscribe_url(reader.subscriber_id or 0, reader.issue_id or 0),
            }
            own = headers.reader_fields(
                to=reader.address,
                date=AT,
                message_id="<issue.1405-W36.17.abcdefghij@example.org>",
                unsubscribe_url=values["unsubscribe_url"],
                feedback_id="1405-W36:weekly:issue:khabarnameh",
            )
            rows = [
                Row("merge: head and body from ready values", _best(lambda: compiled.template.merge(own, values))),
                Row("merge: body alone", _best(lambda: compiled.template.body(values))),
                Row("message: values, link, Message-ID, merge", _best(lambda: compiled.message(reader, AT))),
                Row("compile: once for a variant", _best(lambda: message.compile(app, mail, DeliveryKind.ISSUE))),
                Row("for comparison: everything encoded again", _best(lambda: _full(mail, values))),
            ]
            head, body = compiled.template.head(own), compiled.template.body(values)
            print(f"{len(whole):,} bytes on the wire, {len(body)} pieces", file=sys.stderr)
            return [*rows, *_signing(head, body)]
        finally:
            app.store.close()


def section(_: Options) -> str:
    """Returns the section of the page."""
    words = "CPU of one mail with an HTML part of 45 kB and a text part of 6 kB, the best of several rounds.\n\n"
    return words + table(("what", "µs"), [(row.name, f"{row.micros:,.1f}") for row in measure()])


def _reader() -> Delivery:
    return Delivery(
        id=17,
        key="issue.1405-W36.17",
        kind=DeliveryKind.ISSUE,
        batch=Batch(1, 1),
        address="narges.mohammadi@reader.example",
        name="نرگس محمدی",
        subscriber_id=17,
        issue_id=3,
        variant_id=1,
        attempts=0,
        losses=0,
        first_reply_at=None,
    )


def _full(mail: Variant, values: dict[str, str]) -> merge.Template:
    """Fills the placeholders first and then encodes the whole mail, as if nothing were compiled in advance."""
    html, text = placeholders.fill(mail.html, values, "html"), placeholders.fill(mail.text, values, "text")
    boundary = headers.boundary("bench")
    return merge.compile(headers.content_headers("fa", boundary), (), text, html, boundary)


def _signing(head: bytes, body: list[bytes]) -> list[Row]:
    first = dkim.Key("mailer", rsa.generate_private_key(65537, 2048))
    second = dkim.Key("mailer-second", ed25519.Ed25519PrivateKey.generate())
    rows = []
    for name, keys in (("RSA-2048", [first]), ("Ed25519", [second]), ("both", [first, second])):
        signer = dkim.Signer("example.org", keys)
        rows.append(Row(f"sign: {name}", _best(lambda signer=signer: signer.sign(head, body, AT))))  # type: ignore[misc]
    signer = dkim.Signer("example.org", [first])
    with ThreadPoolExecutor(2) as pool:

        def chunk(_: int) -> None:
            for _ in range(4):
                signer.sign(head, body, AT)

        rows.append(
            Row(
                "sign: RSA-2048, two threads, by the clock",
                _best(lambda: list(pool.map(chunk, range(8))), time.perf_counter) / 32,
            )
        )
    return rows


def _best(work: Callable[[], object], timer: Callable[[], float] = time.process_time) -> float:
    clock = timeit.Timer(work, timer=timer)
    number = max(1, round(ROUND_S / clock.timeit(1)))
    return min(clock.repeat(repeat=ROUNDS, number=number)) / number * 1e6


if __name__ == "__main__":
    found = measure()
    if "--json" in sys.argv:
        print(json.dumps([{"name": row.name, "micros": round(row.micros, 1)} for row in found], indent=2))
    else:
        for row in found:
            print(f"{row.micros:8.1f} µs  {row.name}")
