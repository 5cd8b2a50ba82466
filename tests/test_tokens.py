"""Tokens: those made here are read as they were made; any other text is refused in one way."""

import base64
import hmac
import re
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailer.errors import BadToken, ConfigError
from mailer.tokens import Claim, Keyring, Purpose, address_hash, make, message_id, new_key_file, read

OLD, NEW, MEMORY = (bytes([n]) * 32 for n in (1, 2, 3))
KEYS = Keyring(OLD, (), MEMORY)
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

CLAIMS = st.builds(Claim, st.integers(0, 2**48 - 1), st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1))
PURPOSES = st.sampled_from(Purpose)


@given(CLAIMS, PURPOSES)
def test_what_was_made_is_read(claim: Claim, purpose: Purpose) -> None:
    token = make(KEYS, purpose, claim.subscriber_id, claim.issue_id, claim.stamp)
    assert re.fullmatch(r"[A-Za-z0-9_-]{42}", token)
    assert read(KEYS, purpose, token) == claim


@pytest.mark.parametrize("made", Purpose)
@pytest.mark.parametrize("wanted", Purpose)
def test_a_token_serves_one_purpose(made: Purpose, wanted: Purpose) -> None:
    token = make(KEYS, made, 17, 4)
    if made is wanted:
        assert read(KEYS, wanted, token).subscriber_id == 17
    else:
        with pytest.raises(BadToken):
            read(KEYS, wanted, token)


@pytest.mark.parametrize("place", range(42))
def test_no_character_can_be_changed(place: int) -> None:
    token = make(KEYS, Purpose.UNSUBSCRIBE, 123_456, 7, 1_800_000_000)
    for letter in ALPHABET:
        if letter != token[place]:
            with pytest.raises(BadToken):
                read(KEYS, Purpose.UNSUBSCRIBE, token[:place] + letter + token[place + 1 :])


@pytest.mark.parametrize(
    "change",
    [
        lambda token: "",
        lambda token: token[:-1],
        lambda token: token + "A",
        lambda token: token + "==",
        lambda token: token[:-2] + "==",
        lambda token: token[:20] + "\n" + token[21:],
        lambda token: token[:20] + " " + token[20:-1],
        lambda token: "ی" * 42,
        lambda token: "\ud800" * 42,
        lambda token: "\x00" * 42,
        lambda token: token.replace("-", "+").replace("_", "/") if set("-_") & set(token) else token + "+",
        lambda token: base64.urlsafe_b64encode(b"\x02" + base64.urlsafe_b64decode(token + "==")[1:]).decode()[:42],
    ],
)
def test_other_texts_are_refused(change: Callable[[str], str]) -> None:
    with pytest.raises(BadToken):
        read(KEYS, Purpose.UNSUBSCRIBE, change(make(KEYS, Purpose.UNSUBSCRIBE, 1, 2, 3)))


@given(st.text(max_size=60) | st.text(ALPHABET, min_size=42, max_size=42), PURPOSES)
def test_any_text_is_refused_with_the_same_error(text: str, purpose: Purpose) -> None:
    with pytest.raises(BadToken):
        read(KEYS, purpose, text)


def test_numbers_out_of_range_are_a_bug_not_another_reader() -> None:
    with pytest.raises(OverflowError):
        make(KEYS, Purpose.UNSUBSCRIBE, 2**48)
    with pytest.raises(OverflowError):
        make(KEYS, Purpose.UNSUBSCRIBE, -1)


def test_old_links_work_after_a_rotation_and_stop_when_the_key_is_removed() -> None:
    token = make(KEYS, Purpose.PREFERENCES, 9)
    rotated = Keyring(NEW, (OLD,), MEMORY)
    assert read(rotated, Purpose.PREFERENCES, token).subscriber_id == 9
    assert make(rotated, Purpose.PREFERENCES, 9) != token
    with pytest.raises(BadToken):
        read(KEYS, Purpose.PREFERENCES, make(rotated, Purpose.PREFERENCES, 9))
    with pytest.raises(BadToken):
        read(Keyring(NEW, (), MEMORY), Purpose.PREFERENCES, token)


def test_suppressions_and_message_ids_outlive_a_rotation() -> None:
    rotated = Keyring(NEW, (OLD,), MEMORY)
    assert address_hash(rotated, "a@example.org") == address_hash(KEYS, "a@example.org")
    assert message_id(rotated, "issue.1405-W36.17", "example.org") == message_id(
        KEYS, "issue.1405-W36.17", "example.org"
    )
    other = Keyring(OLD, (), NEW)
    assert address_hash(other, "a@example.org") != address_hash(KEYS, "a@example.org")
    assert address_hash(KEYS, "b@example.org") != address_hash(KEYS, "a@example.org")
    assert re.fullmatch(r"[0-9a-f]{64}", address_hash(KEYS, "نرگس@example.org"))


def test_a_message_id_shows_its_delivery() -> None:
    assert re.fullmatch(
        r"<issue\.1405-W36\.17\.[0-9a-f]{16}@news\.example\.org>",
        message_id(KEYS, "issue.1405-W36.17", "news.example.org"),
    )


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=200), st.text(max_size=200))
def test_every_key_gives_a_dot_atom_of_its_own(one: str, other: str) -> None:
    ids = [message_id(KEYS, key, "example.org") for key in (one, other)]
    for written in ids:
        assert re.fullmatch(r"<[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*@example\.org>", written)  # RFC 5322 §3.2.3
        assert len(written) < 150
    assert (ids[0] == ids[1]) == (one == other)


@pytest.mark.parametrize("domain", ["", "a b.org", "ایران.ir", "x>\r\nBcc: y", "a..b"])
def test_a_message_id_needs_a_clean_domain(domain: str) -> None:
    with pytest.raises(ValueError, match="domain"):
        message_id(KEYS, "k", domain)


def test_a_fresh_key_file_is_read() -> None:
    drawn = iter((OLD, MEMORY))
    text = new_key_file(lambda count: next(drawn)[:count])
    assert Keyring.parse(text) == KEYS
    assert Keyring.parse("\ufeff" + text.replace("\n", "\r\n")) == KEYS
    more = text + f"verify {NEW.hex()}  # until spring\n"
    assert Keyring.parse(more) == Keyring(OLD, (NEW,), MEMORY)


def test_every_problem_of_a_key_file_is_listed_with_its_line() -> None:
    text = f"sign {OLD.hex()}\nsing {NEW.hex()}\n\nverify xyz\nverify ab\nsuppress\nsuppress {OLD.hex()}\n"
    with pytest.raises(ConfigError) as caught:
        Keyring.parse(text)
    assert [problem.partition(":")[0] for problem in caught.value.problems] == [
        f"key file, line {number}" for number in (2, 4, 5, 6, 7)
    ]
    assert OLD.hex() not in str(caught.value)
    assert NEW.hex() not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "0 lines begin with 'sign'"),
        (f"sign {OLD.hex()}", "0 lines begin with 'suppress'"),
        (f"sign {OLD.hex()}\nsign {NEW.hex()}\nsuppress {MEMORY.hex()}", "2 lines begin with 'sign'"),
    ],
)
def test_a_key_file_has_one_signing_and_one_suppression_key(text: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        Keyring.parse(text)


def test_no_key_is_ever_shown() -> None:
    shown = repr(Keyring(OLD, (NEW,), MEMORY)) + str(KEYS)
    for secret in (OLD, NEW, MEMORY):
        assert secret.hex() not in shown
        assert repr(secret)[2:-1] not in shown
    assert shown == "Keyring()Keyring()"


@given(st.binary(min_size=32, max_size=32), st.integers(0, 2**48 - 1))
def test_a_token_ends_with_the_standard_mac(secret: bytes, subscriber: int) -> None:
    raw = base64.urlsafe_b64decode(make(Keyring(secret, (), MEMORY), Purpose.PREFERENCES, subscriber) + "==")
    derived = hmac.digest(secret, b"mailer/preferences", "sha256")
    assert raw[-16:] == hmac.digest(derived, raw[:-16], "sha256")[:16]
