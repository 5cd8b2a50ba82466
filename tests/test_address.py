"""Addresses: one spelling for each, and a clear sentence for an invalid one."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailer.address import is_sample, mask, parse
from mailer.errors import BadAddress


@pytest.mark.parametrize(
    ("typed", "written", "key"),
    [
        ("reader@example.org", "reader@example.org", "reader@example.org"),
        ("  Reader.One+News@Example.ORG\t", "Reader.One+News@example.org", "reader.one+news@example.org"),
        ("o'brien@example.com", "o'brien@example.com", "o'brien@example.com"),
        ("a@b.co", "a@b.co", "a@b.co"),
        ("trial@list.test", "trial@list.test", "trial@list.test"),
        ("trial@x.invalid", "trial@x.invalid", "trial@x.invalid"),
        ("trial@shop.example", "trial@shop.example", "trial@shop.example"),
        ("a@MÜNCHEN.de", "a@xn--mnchen-3ya.de", "a@xn--mnchen-3ya.de"),
        ("A@XN--MNCHEN-3YA.de", "A@xn--mnchen-3ya.de", "a@xn--mnchen-3ya.de"),
        # ZWNJ in a domain: IDNA 2008 keeps it, what the standard library has would name another domain.
        ("info@کتاب\u200cخانه.ایران", "info@xn--mgbacgw9lh19es68o.xn--mgba3a4f16a", None),
        ("info@xn--mgbacgw9lh19es68o.xn--mgba3a4f16a", "info@xn--mgbacgw9lh19es68o.xn--mgba3a4f16a", None),
        ("نرگس@example.ir", "نرگس@example.ir", "نرگس@example.ir"),
        ("e\u0301t\u00e9@example.org", "été@example.org", "été@example.org"),
    ],
)
def test_addresses(typed: str, written: str, key: str | None) -> None:
    address = parse(typed)
    assert address.written == written == f"{address.local}@{address.domain}"
    assert address.key == (key or written)
    assert address.domain.isascii()


def test_only_a_local_part_can_need_smtputf8() -> None:
    assert parse("نرگس@example.ir").needs_smtputf8
    assert not parse("info@کتاب\u200cخانه.ایران").needs_smtputf8


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        ("", "empty"),
        (" \t ", "empty"),
        ("reader", "no @"),
        ("@example.org", "missing before the @"),
        ("reader@", "missing after the @"),
        ("a@@example.org", "more than one @"),
        ("a@b@example.org", "more than one @"),
        ("reader@example.org\n", "line break"),
        ("a@b.org\r\nBcc: x@y.org", "line break"),
        ("a\x00b@example.org", "control character"),
        ("نرگس <n@example.org>", "Write only 'n@example.org'"),
        ("<n@example.org>", "Write only 'n@example.org'"),
        ("n@example.org>", "holds '>'"),
        ("a@example.org,b@example.org", "one address"),
        ("a b@example.org", "holds ' '"),
        ('"a b"@example.org', "quot"),
        ("a\u202e@example.org", "invisible"),
        ("a@exa\u200bmple.org", "invisible"),
        ("\u200fa@example.org", "invisible"),
        ("a\u200cb@example.org", "ZERO WIDTH NON-JOINER"),
        ("ａ@example.org", "another width"),
        ("a＠example.org", "another width"),
        ("a@ﬁre.org", "another width"),
        ("=?utf-8?q?a?=@example.org", "encoded word"),
        ("a@localhost", "not a full domain"),
        ("a@example", "not a full domain"),
        ("a@printer.local", "no mail from outside"),
        ("a@[192.0.2.1]", "by its number"),
        ("a@192.0.2.1", "by its number"),
        ("a@-x.org", "not a domain"),
        ("a@x_y.org", "not a domain"),
        ("a@x..org", "not a domain"),
        ("a@x.org.", "not a domain"),
        ("a@xn--a.org", "not a domain"),
        ("a@\u0627a.org", "not a domain"),  # two directions in one label
        ("a..b@example.org", "two periods"),
        (".a@example.org", "start with a period"),
        ("a.@example.org", "period"),
        ("a" * 65 + "@example.org", "64 bytes"),
        ("ن" * 33 + "@example.org", "64 bytes"),
        ("a@" + ".".join(["b" * 60] * 5), "too long"),
        ("a@" + "b" * 64 + ".org", "not a domain"),
    ],
)
def test_an_invalid_address_is_refused_with_a_sentence(typed: str, says: str) -> None:
    with pytest.raises(BadAddress, match=says) as caught:
        parse(typed)
    assert len(str(caught.value)) < 400
    assert "\n" not in str(caught.value)
    assert "\u202e" not in str(caught.value)


LOCALS = st.text("abcXYZ019._%+-'نرگسé", min_size=1, max_size=20)
DOMAINS = st.lists(st.text("abcXYZ019-کتابü\u200c", min_size=1, max_size=10), min_size=1, max_size=3).map(".".join)


@settings(max_examples=200, deadline=None)
@given(
    st.one_of(st.text(max_size=40), st.builds("{}@{}".format, LOCALS, DOMAINS), st.builds("{}@x.org".format, st.text()))
)
def test_an_accepted_address_is_safe_and_does_not_change_again(typed: str) -> None:
    try:
        address = parse(typed)
    except BadAddress:
        return
    assert not set(address.written) & set('\r\n\x00<>"(),:;[] \t\\\u200c\u202e')
    assert "=?" not in address.written
    assert parse(address.written) == address
    assert parse(address.key).key == address.key
    assert parse(address.written.upper().replace("ß".upper(), "ß")).domain == address.domain


@pytest.mark.parametrize(
    ("written", "masked"),
    [("nargess@example.org", "n***@example.org"), ("a@b.ir", "a***@b.ir"), ("", "***"), ("tombstone", "***")],
)
def test_masks(written: str, masked: str) -> None:
    assert mask(written) == masked


def test_sample_hosts() -> None:
    samples = ("example.org", "news.example.com", "example.net.", "EXAMPLE.org")
    assert all(map(is_sample, samples))
    assert not any(map(is_sample, ("myexample.org", "example.org.ir", "iran.example", "", ".")))
