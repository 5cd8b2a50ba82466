"""A merged mail has the same bytes as one encoded for that reader alone, and reads as the filled template."""

import re
from base64 import encodebytes
from collections.abc import Mapping

import html5lib
import mail_samples as samples
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mail_samples import BOUNDARY, compiled, issue_headers, own_fields, own_values
from make import parsed

from mailer.mail import header_encoding, headers, merge, placeholders
from mailer.model import Rendered

GREETING, LEAVE = placeholders.named("greeting"), placeholders.named("unsubscribe_url")
any_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
links = st.text("abcXYZ019-_&'", max_size=90).map(lambda path: f"https://news.example.org/{path}")
# Texts as templates could make them: words, ends of lines and of elements, and placeholders anywhere.
pieces = st.one_of(
    st.text("سلام abc<>.&\n", max_size=130),
    st.sampled_from([GREETING, LEAVE, "</p>", "</H1>", "\r\n", "\r", "\n", f'<a href="{LEAVE}">']),
)
bodies = st.lists(pieces, max_size=14).map("".join)


@pytest.fixture(scope="module")
def mail() -> Rendered:
    """The issue mail with its placeholders."""
    return samples.rendered()


def padded(content: str, values: Mapping[str, str], part: placeholders.Kind) -> bytes:
    """Does it the slow way: fills from left to right, and counts the blanks from the beginning of the part."""
    raw = content.replace("\r\n", "\n").replace("\r", "\n").replace("\n", "\r\n")
    filled, waits = b"", False
    for piece in placeholders.split(raw):
        if placeholders.names(piece):
            filled, waits = filled + placeholders.fill(piece, values, part).encode(), True
        elif waits and (place := re.search(r"</[A-Za-z][A-Za-z0-9]*(?=>)" if part == "html" else r"(?=\r\n)", piece)):
            filled += piece[: place.end()].encode()
            filled += b" " * (-len(filled) % 57) + piece[place.end() :].encode()
            waits = False
        else:
            filled += piece.encode()
    return filled


def full(fields: list[tuple[str, bytes]], text: str, html: str, values: Mapping[str, str]) -> bytes:
    """Encodes the whole mail for one reader, by other means than those under test."""
    mail = header_encoding.block(fields) + b"\r\n"
    for subtype, raw in (("plain", padded(text, values, "text")), ("html", padded(html, values, "html"))):
        mail += f"--{BOUNDARY}\r\nContent-Type: text/{subtype}; charset=utf-8\r\n".encode()
        mail += b"Content-Transfer-Encoding: base64\r\n\r\n" + encodebytes(raw).replace(b"\n", b"\r\n")
    return mail + f"--{BOUNDARY}--\r\n".encode()


def parts(mail: bytes) -> tuple[str, str]:
    """Returns text and HTML as a reader's program decodes them."""
    read = parsed(mail)
    assert not read.defects
    plain, rich = read.iter_parts()
    assert (plain.get_content_type(), rich.get_content_type()) == ("text/plain", "text/html")
    found = [part.get_payload(decode=True) for part in (plain, rich)]
    assert isinstance(found[0], bytes)
    assert isinstance(found[1], bytes)
    return found[0].decode(), found[1].decode()


@settings(max_examples=200, deadline=None)
@given(bodies, bodies, any_text, links)
def test_the_bytes_are_those_of_a_full_render(text: str, html: str, name: str, link: str) -> None:
    values = own_values(name, link)
    fields = issue_headers(unsubscribe_url=samples.UNSUBSCRIBE + "x", to="ali@reader.example")
    merged = compiled(text, html).merge(dict(fields), values)
    assert merged == full(fields, text, html, values)


@settings(max_examples=60, deadline=None)
@given(any_text, links)
def test_a_real_issue_reads_as_the_filled_template(mail: Rendered, name: str, link: str) -> None:
    values = own_values(name, link)
    text, html = parts(compiled(mail.text, mail.html).merge(own_fields(), values))
    assert re.sub(r" *\r\n", "\n", text) == placeholders.fill(mail.text, values, "text")
    assert re.sub(r"(</\w+) +>", r"\1>", html).replace("\r\n", "\n") == placeholders.fill(mail.html, values, "html")


def test_the_blanks_change_nothing_that_is_shown(mail: Rendered) -> None:
    values = own_values("نرگس")
    text, html = parts(compiled(mail.text, mail.html).merge(own_fields(), values))
    plain = placeholders.fill(mail.html, values, "html")
    assert html.replace("\r\n", "\n") != plain  # there are blanks
    assert html5lib.serialize(html5lib.parse(html)) == html5lib.serialize(html5lib.parse(plain))
    leave = next(line for line in text.split("\r\n") if samples.UNSUBSCRIBE in line)
    assert leave.rstrip(" ") == samples.UNSUBSCRIBE  # still alone on its line


def test_only_lines_with_a_placeholder_differ_between_readers(mail: Rendered) -> None:
    template = compiled(mail.text, mail.html)
    mails = [template.merge(own_fields(), own_values(name)).split(b"\r\n") for name in ("نرگس", "ن" * 60)]
    assert len(template.needs) == 4
    regions = sum(isinstance(piece, merge.Region) for piece in template.pieces)
    assert regions == mail.html.count("\x02") + mail.text.count("\x02") == 4
    constant = [set(lines) for lines in mails]
    assert len(constant[0] & constant[1]) > 0.95 * len(constant[0])


def test_every_placeholder_must_be_filled() -> None:
    template = compiled(GREETING, LEAVE)
    with pytest.raises(ValueError, match="'unsubscribe_url'"):
        template.merge(own_fields(), {"greeting": "سلام"})
    with pytest.raises(ValueError, match=r"http\(s\)"):
        template.merge(own_fields(), {"greeting": "سلام", "unsubscribe_url": "javascript:x"})
    for broken in ("\x02half", "half\x03", f"\x02{GREETING}", "\x02BIG\x03"):
        with pytest.raises(ValueError, match="broken"):
            compiled("", broken)
    with pytest.raises(ValueError, match="the field To"):
        template.merge({}, own_values("نرگس"))


@pytest.mark.parametrize(
    "bad",
    [
        *(
            b"a@b.example\r\nBcc: x@y.z",
            b"a@b.example\r\n\r\n<b>",
            b"a@b.example\n",
            b"a\r\n b\r\n ",
            b"a\rb",
            b"a\x00",
        ),
        *(b"", b" a@b.example", b"a@b.example ", "الف".encode(), b"x" * 1000),
    ],
)
def test_a_readers_field_cannot_begin_another(bad: bytes) -> None:
    with pytest.raises(ValueError, match="To"):
        compiled("", "").head(own_fields() | {"To": bad})


@settings(max_examples=100, deadline=None)
@given(st.text(st.characters(), min_size=1, max_size=40))
def test_the_fields_are_the_same_for_any_name(name: str) -> None:
    mail = compiled(GREETING, f"<p>{GREETING}</p>").merge(own_fields(), own_values(name))
    assert parsed(mail).keys() == [name for name, _ in issue_headers()]
    assert b"\r\n." not in mail
    assert mail.isascii()


def test_an_address_beyond_ascii_keeps_the_mail_7_bit() -> None:
    mail = compiled("", "").merge(own_fields(to="سارا@reader.example"), {})
    assert mail.isascii()
    to = parsed(mail)["To"]
    assert to.groups[0].display_name == "سارا@reader.example"  # RFC 6857: a group without members
    assert not to.addresses


def test_fields_that_do_not_parse_back_are_refused() -> None:
    for fields in (
        [("Subject", b"a\r\nBcc: x"), *headers.content_headers("fa", BOUNDARY)],
        [("Sub ject", b"a"), *headers.content_headers("fa", BOUNDARY)],
    ):
        with pytest.raises(ValueError, match="Sub"):
            merge.compile(fields, (), "", "", BOUNDARY)
    for other in (headers.boundary("other"), "short"):
        with pytest.raises(ValueError, match="boundary"):
            merge.compile(issue_headers(), (), "", "", other)


def test_a_mail_of_another_kind_brings_its_own_fields() -> None:
    fields = [
        ("From", header_encoding.address("ایران نمونه", "news@example.org")),
        ("To", header_encoding.recipient("a@b.example")),
        ("Subject", header_encoding.encode("Subject", "عضویت خود را تأیید کنید")),
        ("Auto-Submitted", b"auto-generated"),
        *headers.content_headers("fa", BOUNDARY),
    ]
    template = merge.compile(fields, ("To", "Subject"), "", f'<a href="{placeholders.named("confirm_url")}">', BOUNDARY)
    mail = template.merge({"To": b"c@d.example", "Subject": b"x"}, {"confirm_url": "https://x.example/?a=1&b=2"})
    read = parsed(mail)
    assert (read["To"], read["Subject"], read["Auto-Submitted"]) == ("c@d.example", "x", "auto-generated")
    assert parts(mail)[1] == '<a href="https://x.example/?a=1&amp;b=2">'
