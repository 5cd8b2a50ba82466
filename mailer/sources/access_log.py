"""Counts how often readers opened pages, from the access log of a web server.

The logs of Apache, nginx and others in the common and the combined format are read, with or without the name of the
host at the beginning of each line. A log may have gigabytes, so it is read line by line and never kept in memory.
"""

import gzip
import io
import re
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache
from pathlib import Path
from typing import Generic, NamedTuple, TypeVar

from mailer.errors import UnreadableInput
from mailer.model import LogSpan
from mailer.sources.read import GZIP

_DAY = 86_400  # seconds
_MOST_SPANS = 1000  # the largest number of spans in a log, see `_Times`
_MOST_AT_EDGE = 5000  # if one second has more lines than this, none of their checksums is kept
_LONGEST_LINE = 16_384  # bytes; the rest of a longer line is passed over
_SNIFFED = 50  # lines by which a log is recognised
# Looking up an address or a user agent takes longer than reading a line. So the results are remembered: at most
# _REMEMBERED of each kind, and only for texts of at most _LONGEST_REMEMBERED characters, so that the memory is bounded.
_REMEMBERED, _LONGEST_REMEMBERED = 50_000, 600
_YEARS = range(1990, 2200)  # a line with another year counts as not understood
_MONTHS = b"Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()
_ESCAPED = re.compile(rb"\\x([0-9A-Fa-f]{2})")  # what Apache and nginx write for a byte that is not ASCII
# User agents of programs. Most name themselves a bot or give the address of a page that explains them. Cubot, however,
# is a maker of phones.
_BOT = re.compile(
    rb"(?<!cu)bot|crawl|spider|slurp|https?:|www\.|fetch|scan(ner)?\b|monitor|preview\b|headless|phantomjs|lighthouse"
    rb"|pingdom|uptime|curl|wget|python|java/|java-http|\bperl\b|ruby|php|go-http|okhttp|axios|node\.?js|^node|undici"
    rb"|libwww|httpclient|feed|whatsapp|khabarnameh|mediapartners|googleother|google-|facebookexternalhit"
    rb"|facebookcatalog|meta-external|ia_archiver|guzzle|aiohttp|reqwest|scrapy|httpie|httrack|postman|^dart/|embedly"
    rb"|zgrab|nikto|nmap|sqlmap|censys|expanse|wappalyzer|netcraft|zabbix|nagios|check_http|kube-probe|healthcheck"
    rb"|site24x7|prometheus|blackbox|varnish|apachebench|^hey/|^k6/"
    rb"|^-?$",
    re.IGNORECASE,
)
_ASSET_WORDS = (
    "css js mjs map png jpg jpeg gif webp avif svg ico woff woff2 ttf eot otf mp3 mp4 m4a m4v webm ogg pdf zip gz xml"
    " txt json rss atom webmanifest"
)
_ASSETS = tuple(f".{ending}".encode() for ending in _ASSET_WORDS.split())


_Key = TypeVar("_Key", str, bytes)
_Result = TypeVar("_Result")


@dataclass(slots=True)
class Counted:
    """The views in a log by article id, and how many lines are not views of an article, by reason."""

    views: Counter[int] = field(default_factory=Counter)
    lines: int = 0
    passed_over: Counter[str] = field(default_factory=Counter)
    bots: int = 0
    unknown: int = 0  # views of pages that are not stored articles
    example: str = ""  # one of these pages
    before: int = 0  # lines that were counted before
    spans: list[LogSpan] = field(default_factory=list)  # the times of all lines that could be read
    with_agents: bool = False  # False if the log has no user agents, so that bots cannot be recognised


class _Line(NamedTuple):
    host: bytes
    at: int
    method: bytes
    target: bytes
    status: bytes
    agent: bytes | None


def is_log(file: Path) -> bool:
    """Return True if a file, gzipped or not, is an access log.

    Raises UnreadableInput if it cannot be read, or if it seems to be a log in another format.
    """
    lines = [line for line, _ in zip(_lines(file), range(_SNIFFED), strict=False)]
    # A line with the request "-" also shows the format. A load balancer may cause very many such lines.
    if 2 * sum(_time(line.split(b'"')[0]) is not None and line.count(b'"') > 1 for line in lines) > len(lines):
        return True
    if 2 * sum(b"GET" in line for line in lines) > len(lines):
        raise UnreadableInput(
            f"{file.name}: this seems to be an access log, but not in the common or combined format.",
            "Let the web server write such a log, or export the views of an analytics program.",
        )
    return False


def count(file: Path, article_of: Callable[[str], int | None], counted: Sequence[LogSpan]) -> Counted:
    """Count the views in a log.

    The lines in the spans of `counted` are not counted again, except for new lines of an edge (see `LogSpan`).

    `article_of` returns the id of the article at an address. It gets a web address, or a path that begins with "/" if
    the log does not name the host. Raises UnreadableInput if the file cannot be read.
    """
    found = Counted()
    articles, bots = _Remembered(article_of), _Remembered(_is_bot)
    times = _Times()
    edges = {at: Counter(lines) for span in counted for at, lines in span.edges.items()}
    for line in _lines(file):
        found.lines += 1
        parsed = _parsed(line)
        if parsed is None:
            found.passed_over["are not understood"] += 1
            continue
        checksum = zlib.crc32(line.rstrip())
        times.add(parsed.at, checksum, file.name)
        found.with_agents = found.with_agents or parsed.agent is not None
        if (lines := edges.get(parsed.at)) is not None:  # another log may have other lines of this second
            is_counted = lines[checksum] > 0
            lines[checksum] -= 1
        else:
            is_counted = any(span.first <= parsed.at <= span.last for span in counted)
        if is_counted:
            found.before += 1
        elif reason := _no_view(parsed):
            found.passed_over[reason] += 1
        elif parsed.agent is not None and bots[parsed.agent]:
            found.bots += 1
        elif (article := articles[address := _address(parsed)]) is not None:
            found.views[article] += 1
        else:
            found.unknown += 1
            found.example = found.example or address[:100]
    found.spans = times.spans()
    return found


class _Times:
    """The spans that the lines of a log cover. A line that is more than a day away from all spans begins a new span.

    The lines of a log are nearly in the order of time, so there are few spans. A wrong clock, however, may have written
    a line with another year. If this line extended a span, all the time until then would count as covered.
    """

    def __init__(self) -> None:
        self._all: list[_Time] = []

    def add(self, at: int, checksum: int, name: str) -> None:
        for time in reversed(self._all):
            if time.first - _DAY <= at <= time.last + _DAY:
                time.add(at, checksum)
                return
        self._all.append(_Time(at, at, {at: [checksum]}))
        if len(self._all) > _MOST_SPANS:
            raise UnreadableInput(f"{name}: its lines are not in the order of time.", "Give the original logs.")

    def spans(self) -> list[LogSpan]:
        return [
            LogSpan(time.first, time.last, {at: kept for at, kept in time.edges.items() if len(kept) <= _MOST_AT_EDGE})
            for time in self._all
        ]


@dataclass(slots=True)
class _Time:
    """A span that grows. `edges` has the checksums of the lines in its first and its last second."""

    first: int
    last: int
    edges: dict[int, list[int]]

    def add(self, at: int, checksum: int) -> None:
        if not self.first <= at <= self.last:
            first, last = min(self.first, at), max(self.last, at)
            self.edges = {second: self.edges.get(second, []) for second in (first, last)}
            self.first, self.last = first, last
        if at in self.edges and len(lines := self.edges[at]) <= _MOST_AT_EDGE:
            lines.append(checksum)


class _Remembered(dict[_Key, _Result], Generic[_Key, _Result]):
    """Remembers the results of a function for a bounded number of short keys."""

    def __init__(self, function: Callable[[_Key], _Result]) -> None:
        super().__init__()
        self._function: Callable[[_Key], _Result] = function

    def __missing__(self, key: _Key) -> _Result:
        result: _Result = self._function(key)
        if len(key) <= _LONGEST_REMEMBERED:
            if len(self) >= _REMEMBERED:
                self.clear()
            self[key] = result
        return result


def _is_bot(agent: bytes) -> bool:
    return _BOT.search(agent) is not None


def _no_view(line: _Line) -> str:
    """Return why a request is not a view of a page, or "" if it may be one."""
    if line.method != b"GET":
        return "are not GET requests"
    if line.status != b"200":
        return "were not answered with 200"
    is_asset = line.target.partition(b"?")[0].lower().endswith(_ASSETS)
    return "are pictures, styles and other files" if is_asset else ""


def _address(line: _Line) -> str:
    text = _ESCAPED.sub(rb"%\1", line.target).decode("utf-8", "replace")
    name = line.host.partition(b":")[0].decode("ascii", "replace")
    return f"https://{name}{text}" if "." in name and text.startswith("/") else text


def _lines(file: Path) -> Iterator[bytes]:
    """Yield the lines of a file, gzipped or not, each cut off at _LONGEST_LINE."""
    try:
        with file.open("rb") as raw:
            packed = raw.peek(2)[:2] == GZIP
            with gzip.open(raw) if packed else raw as opened:
                yield from _cut_lines(opened)
    except FileNotFoundError:
        raise UnreadableInput(f"{file}: there is no such file.") from None
    except (EOFError, zlib.error, gzip.BadGzipFile):
        raise UnreadableInput(f"{file}: this gzip file is damaged or incomplete.", "Copy it again.") from None
    except OSError as error:
        raise UnreadableInput(f"{file}: cannot be read ({error.strerror}).") from error


def _cut_lines(opened: gzip.GzipFile | io.BufferedReader) -> Iterator[bytes]:
    inside = False  # True if the last piece did not end its line
    while piece := opened.readline(_LONGEST_LINE):
        if not inside:
            yield piece
        inside = not piece.endswith(b"\n")


def _parsed(line: bytes) -> _Line | None:
    """Return the parts of a line, or None if it has another form."""
    parts = (line.replace(b'\\"', b"") if b'\\"' in line else line).split(b'"')
    if len(parts) < 3:
        return None
    client = parts[0].partition(b"[")[0]
    words, request, status = client.split(), parts[1].split(b" "), parts[2].split()
    at = _time(parts[0])
    if at is None or len(words) < 3 or len(request) < 2 or not status:
        return None
    # A first word that ends with a comma is not a host but a client's address, after which a proxy added others.
    host = words[0] if len(words) > 3 and words[1] != b"-" and not words[0].endswith(b",") else b""
    agent = parts[5] if len(parts) > 6 else None
    return _Line(host, at, request[0], request[1], status[0], agent)


def _time(beginning: bytes) -> int | None:
    """Return the Unix time in the beginning of a line, which is the part before the request. None if it has no time."""
    rest = beginning.rpartition(b"[")[2]
    if rest[26:27] != b"]" or not rest[18:20].isdigit():
        return None
    at = _instant(rest[:17], rest[20:26])
    return None if at is None else at + int(rest[18:20])


@lru_cache(maxsize=256)
def _instant(minute: bytes, zone: bytes) -> int | None:
    """Return the Unix time of a minute such as "29/Nov/2026:20:14" in a zone such as " +0330", or None."""
    try:
        day, month, rest = minute.split(b"/")
        year, hour, minutes = rest.split(b":")
        if int(year) not in _YEARS:
            return None
        offset = timedelta(hours=int(zone[2:4]), minutes=int(zone[4:6]))
        place = timezone(-offset if zone[1:2] == b"-" else offset)
        written = datetime(int(year), _MONTHS.index(month) + 1, int(day), int(hour), int(minutes), tzinfo=place)
    except ValueError:
        return None
    return int(written.astimezone(UTC).timestamp())
