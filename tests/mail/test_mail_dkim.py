"""An independent verifier accepts the signatures, and nothing that they cover can be changed or added."""

import base64
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import dkim as oracle
import mail_samples as samples
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from hypothesis import given, settings
from hypothesis import strategies as st
from mail_samples import compiled, own_fields, own_values

from mailer.mail import dkim

DOMAIN = "news.example.org"
RSA = dkim.Key("mailer", rsa.generate_private_key(65537, 2048))
ED25519 = dkim.Key("mailer-ed25519", ed25519.Ed25519PrivateKey.generate())
KEYS = (RSA, ED25519)
DNS = {dkim.record_name(key.selector, DOMAIN) + ".": dkim.record(key) for key in KEYS}
AT = datetime(2020, 11, 1, 5, 30, tzinfo=UTC)  # long ago: the verifier refuses signatures from the future


def verified(mail: bytes) -> list[bool]:
    """Returns for each signature, from the top, whether dkimpy accepts it with the records above."""

    def holds(index: int) -> bool:
        try:
            return bool(
                oracle.DKIM(mail).verify(idx=index, dnsfunc=lambda name, timeout=5: DNS[name.decode()].encode())
            )
        except oracle.DKIMException:
            return False

    head = b"\r\n" + mail.partition(b"\r\n\r\n")[0]
    return [holds(index) for index in range(head.count(b"\r\nDKIM-Signature:"))]


def signed(head: bytes, body: Sequence[bytes], keys: Sequence[dkim.Key] = KEYS) -> bytes:
    return b"".join([dkim.Signer(DOMAIN, keys).sign(head, body, AT), head, b"\r\n", *body])


@pytest.fixture(scope="module")
def mail() -> bytes:
    """A small mail with all its fields, merged and signed with both keys."""
    template = compiled("متن\n", "<p>متن</p>\n")
    return signed(template.head(own_fields()), template.body({}))


@settings(max_examples=25, deadline=None)
@given(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=60), st.sampled_from(["a@b.example", "سارا@b.example"])
)
def test_a_merged_issue_is_verified(name: str, to: str) -> None:
    template = compiled("\x02greeting\x03 متن\n", "<p>\x02greeting\x03</p>\n")
    mail = signed(template.head(own_fields(to=to)), template.body(own_values(name)))
    assert verified(mail) == [True, True]
    assert max(map(len, mail.split(b"\r\n"))) <= 98  # no line of a signature is one that a relay would break


def test_a_whole_issue_is_verified() -> None:
    rendered = samples.rendered()
    template = compiled(rendered.text, rendered.html)
    mail = signed(template.head(own_fields()), template.body(own_values("نرگس")))
    assert verified(mail) == [True, True]
    assert b"a=rsa-sha256; c=relaxed/simple; d=news.example.org;\r\n s=mailer; t=1604208600;" in mail
    assert mail.index(b"a=rsa-sha256") < mail.index(b"a=ed25519-sha256")
    assert b" l=" not in mail  # with a signature of only the beginning, text could be appended


def test_one_key_is_one_signature(mail: bytes) -> None:
    head, _, body = mail[mail.index(b"\r\nFrom: ") + 2 :].partition(b"\r\n\r\n")
    for key in KEYS:
        assert verified(signed(head + b"\r\n", [body], [key])) == [True]


@pytest.mark.slow
def test_any_byte_changed_in_what_is_signed_breaks_it(mail: bytes) -> None:
    """Changes every byte of the signed fields and the body, one at a time.

    Names and blanks are compared relaxed, so a letter is changed to another one and not to its capital.
    """
    unsigned = (b"list-help", b"list-archive", b"content-language")
    start = mail.index(b"\r\nFrom: ") + 2
    head = mail[start : mail.index(b"\r\n\r\n", start)]
    places: list[int] = []
    at = start
    for line in head.split(b"\r\n"):
        if line.partition(b":")[0].lower() not in unsigned:
            places += range(at, at + len(line))
        at += len(line) + 2
    places += range(at + 2, len(mail))
    flipped = [place for place in places if mail[place : place + 1].strip()]
    assert len(flipped) > 800
    for place in flipped:
        changed = mail[:place] + bytes([mail[place] ^ 0x01]) + mail[place + 1 :]
        assert verified(changed) == [False, False], mail[place - 10 : place + 10]


@pytest.mark.parametrize("name", dkim.SIGNED)
@pytest.mark.parametrize("on_top", [True, False])
def test_a_second_field_of_that_name_breaks_it(mail: bytes, name: str, on_top: bool) -> None:
    another = f"{name}: x@evil.example\r\n".encode()
    end = mail.index(b"\r\n\r\n") + 2
    forged = another + mail if on_top else mail[:end] + another + mail[end:]
    assert verified(mail) == [True, True]
    assert verified(forged) == [False, False]


def test_what_a_relay_may_do_leaves_it_whole(mail: bytes) -> None:
    received = b"Received: from a by b;\r\n Thu, 26 Nov 2026 05:30:00 +0000\r\n" + mail
    refolded = mail.replace(b"\r\nList-Id: ", b"\r\nlist-id:  \t").replace(b"\r\nFrom: ", b"\r\nFrom:\r\n ")
    assert refolded != mail
    assert verified(received) == verified(refolded) == verified(mail + b"\r\n\r\n") == [True, True]


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.sampled_from([b" ", b"\t", b"\r\n ", b"\r\n\t", b"a", b"B:", b"b=x;"]), max_size=9).map(b"".join),
    st.lists(st.sampled_from([b"\r\n", b"a", b" ", b".."]), max_size=6).map(b"".join),
)
def test_odd_blanks_are_seen_as_the_verifier_sees_them(value: bytes, body: bytes) -> None:
    head = b"From: a@b.example\r\nSubject: s%s\r\nX: y\r\n" % value.rstrip()
    assert verified(signed(head, [body])) == [True, True]


def test_threads_may_share_a_signer() -> None:
    signer = dkim.Signer(DOMAIN, KEYS)
    heads = [f"From: a@b.example\r\nTo: r{number}@b.example\r\n".encode() for number in range(40)]
    with ThreadPoolExecutor(4) as pool:
        fields = list(pool.map(lambda head: signer.sign(head, [b"x" * 4000, b"\r\n"], AT), heads))
    for head, field in zip(heads, fields, strict=True):
        assert verified(field + head + b"\r\n" + b"x" * 4000 + b"\r\n") == [True, True]


def test_a_mail_without_one_sender_is_not_signed() -> None:
    for head in (b"To: a@b.example\r\n", b"From: a@b.example\r\nfrom: c@d.example\r\n"):
        with pytest.raises(ValueError, match="exactly one From"):
            dkim.Signer(DOMAIN, KEYS).sign(head, [b"\r\n"], AT)


def test_names_that_the_dns_cannot_have_are_refused() -> None:
    for domain, keys in (
        ("a b.example", KEYS),
        ("کتاب.example", KEYS),
        (DOMAIN, [dkim.Key("a;b", RSA.private)]),
        (DOMAIN, []),
    ):
        with pytest.raises(ValueError, match=r"DNS|without a key"):
            dkim.Signer(domain, keys)


def pem(private: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey, *, password: bool = False) -> bytes:
    return private.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.BestAvailableEncryption(b"x") if password else serialization.NoEncryption(),
    )


def test_keys_are_read_as_they_were_written() -> None:
    for key in KEYS:
        again = dkim.Key(key.selector, dkim.private_key(dkim.private_pem(key.private)))
        assert dkim.record(again) == dkim.record(key)
    assert isinstance(RSA.private, rsa.RSAPrivateKey)
    assert isinstance(dkim.private_key(pem(RSA.private)), rsa.RSAPrivateKey)  # as openssl and others write it


def test_keys_that_cannot_sign_mails_are_refused_with_the_reason() -> None:
    assert isinstance(RSA.private, rsa.RSAPrivateKey)
    for text, match in (
        (pem(RSA.private, password=True), "password"),
        (pem(ec.generate_private_key(ec.SECP256R1())), "RSA and Ed25519"),
        (b"", "no private key"),
        (b"-----BEGIN PRIVATE KEY-----\nx\n-----END PRIVATE KEY-----\n", "no private key"),
    ):
        with pytest.raises(ValueError, match=match):
            dkim.private_key(text)


def test_the_record_fits_the_dns() -> None:
    value = dkim.record(RSA)
    line = dkim.zone_line("mailer", DOMAIN, value)
    assert line.startswith('mailer._domainkey.news.example.org. IN TXT ( "v=DKIM1; k=rsa; p=MIIB')
    strings = line.partition("( ")[2].removesuffix(" )").split('" "')
    assert [len(each.strip('"')) for each in strings] == [255, len(value) - 255]
    assert "".join(each.strip('"') for each in strings) == value
    short = dkim.record(ED25519)
    assert len(base64.b64decode(short.removeprefix("v=DKIM1; k=ed25519; p="))) == 32
    assert dkim.zone_line("e", DOMAIN, short) == f'e._domainkey.{DOMAIN}. IN TXT "{short}"'
