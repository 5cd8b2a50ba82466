"""Reads robots.txt (RFC 9309): which pages a crawler may fetch, how often, and where the sitemaps are.

Nothing is fetched. No text is refused: a line that cannot be understood is ignored, as the RFC demands.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from string import ascii_letters, digits

_LARGEST = 500_000  # bytes that are read (§2.5)
_MOST_RULES = 2_000  # rules that are read for one crawler
_TOKEN = re.compile(r"[A-Za-z_-]*")  # the product token of a crawler (§2.2.1)
_DELAY = re.compile(r"[0-9]{1,6}(?:\.[0-9]{1,3})?")
_UNEQUAL = re.compile(r"%[0-9A-Fa-f]{2}|[^!-~]+|[*$]")  # what may be written in several ways
_UNRESERVED = frozenset(f"{ascii_letters}{digits}-._~")


@dataclass(frozen=True, slots=True)
class _Rule:
    """A rule about all paths that have `pieces` in this order, with anything between two pieces.

    The first piece is the beginning of the path. With `whole`, the last piece is its end.
    """

    allow: bool
    pieces: tuple[str, ...]
    whole: bool
    length: int

    def matches(self, path: str) -> bool:
        first, *inner = self.pieces
        if not path.startswith(first):
            return False
        last = inner.pop() if self.whole and inner else None
        place = len(first)
        for piece in inner:
            # The first match is always the best one, because it leaves most of the path for the next pieces.
            found = path.find(piece, place)
            if found < 0:
                return False
            place = found + len(piece)
        if last is not None:
            return len(path) - len(last) >= place and path.endswith(last)
        return not self.whole or place == len(path)


@dataclass(slots=True)
class _Group:
    """The rules for one crawler, from all groups that name it."""

    named: bool = False
    rules: list[_Rule] = field(default_factory=list)
    too_many: int = 0
    delay_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Robots:
    """The rules of robots.txt for one crawler. Of all rules that match a page, the first one decides.

    `delay_s` is the Crawl-delay in seconds, or 0. `sitemaps` are the addresses as they are written. `notes` has a
    sentence for each limit that was reached.
    """

    rules: tuple[_Rule, ...] = ()
    delay_s: float = 0.0
    sitemaps: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def allows(self, url: str) -> bool:
        """Return True if the page at `url`, an absolute address, may be fetched."""
        path = _path(url)
        return next((rule.allow for rule in self.rules if rule.matches(path)), True)


def parse(content: bytes, agent: str) -> Robots:
    """Return the rules for the crawler with the product token `agent`, or else those for all crawlers ("*")."""
    own, every, other = _Group(), _Group(), _Group()
    current: list[_Group] = []
    in_names = False  # True between the first user-agent of a group and its first rule
    sitemaps: list[str] = []
    notes = []
    if len(content) > _LARGEST:
        # The last line may be incomplete: "Disallow: /" would forbid more than "Disallow: /search".
        content = content[:_LARGEST].rpartition(b"\n")[0]
        notes.append(f"robots.txt is too large; only its first {_LARGEST // 1000} kB were read.")
    text = content.decode("utf-8-sig", "replace").replace("\r", "\n")
    for line in text.split("\n"):
        name, _, value = line.partition("#")[0].partition(":")
        name, value = name.strip().lower(), value.strip()
        if name == "user-agent":
            token = (_TOKEN.match(value) or [""])[0].lower()
            group = own if token == agent.lower() else every if value.startswith("*") else other
            group.named = True
            current = [*current, group] if in_names else [group]
            in_names = True
        elif name == "sitemap":
            sitemaps.append(value)
        elif name in ("allow", "disallow", "crawl-delay"):
            in_names = False
            for group in current:
                if group is not other:
                    _add(group, name, value)
    chosen = own if own.named else every
    if chosen.too_many:
        notes.append(f"robots.txt has more than {_MOST_RULES} rules; {chosen.too_many} were not read.")
    # The longest rule decides, and of equally long ones the one that allows (§2.2.2).
    rules = sorted(chosen.rules, key=lambda rule: (-rule.length, not rule.allow))
    return Robots(tuple(rules), chosen.delay_s, tuple(filter(None, sitemaps)), tuple(notes))


def _add(group: _Group, name: str, value: str) -> None:
    if name == "crawl-delay":
        if found := _DELAY.match(value):
            group.delay_s = max(group.delay_s, float(found[0]))
    elif value and len(group.rules) >= _MOST_RULES:
        group.too_many += 1
    elif value:  # a rule without a path is about no page
        group.rules.append(_rule(value, allow=name == "allow"))


def _rule(pattern: str, *, allow: bool) -> _Rule:
    whole = pattern.endswith("$")
    first, *others = map(_comparable, pattern.removesuffix("$").split("*"))
    pieces = _without_empty(first, others)
    return _Rule(allow, pieces, whole, sum(map(len, pieces)) + len(pieces) - 1 + whole)


def _without_empty(first: str, others: Sequence[str]) -> tuple[str, ...]:
    """Return the pieces of a rule. Several wildcards in a row count as one. The last piece may be empty."""
    return (first, *filter(None, others[:-1]), *others[-1:])


def _path(url: str) -> str:
    """Return the path and the query of an absolute address in the form in which rules are compared."""
    rest = url.partition("#")[0].partition("://")[2]
    begin = min((place for each in "/?" if (place := rest.find(each)) >= 0), default=len(rest))
    path = rest[begin:]
    return _comparable(path if path.startswith("/") else f"/{path}")


def _comparable(text: str) -> str:
    """Return the text in the form used to compare paths (§2.2.2), whether or not it is percent-encoded.

    A byte that has to be encoded becomes one character above U+00FF, so that no rule matches a part of "%D8".
    """
    return _UNEQUAL.sub(_one_form, text)


def _one_form(found: re.Match[str]) -> str:
    written = found[0]
    if not written.startswith("%"):
        return "".join(chr(0x100 + byte) for byte in written.encode("utf-8", "replace"))
    byte = int(written[1:], 16)
    return chr(byte) if chr(byte) in _UNRESERVED else chr(0x100 + byte)
