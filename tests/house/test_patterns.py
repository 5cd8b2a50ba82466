"""Each regular expression takes linear time, whatever text it is applied to.

The patterns are found in the source, and the texts are made from each pattern: parts of what it matches, repeated. The
time for 60,000 characters is compared with the time for 6,000, so the speed of the machine does not matter. Linear
time gives a ratio of 10, quadratic time one of 100.
"""

import ast
import builtins
import contextlib
import importlib
import random
import re
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from mailer.errors import UnreadableInput
from mailer.mail import bidi
from mailer.model import FoundArticle
from mailer.sources import access, elements, extras, identity, pagetext, plain, tags
from mailer.text import charset, clean, dates, links, search_key, spelling

pytestmark = pytest.mark.slow  # a minute, and several minutes while the coverage is measured
ROOT = Path(__file__).parents[2]
SIZES = (600, 6_000, 60_000)  # characters
LONGEST = 5  # texts for each pattern that are also tried with the largest size
ALLOWED = 35.0  # the most that ten times as many characters may cost; quadratic time costs a hundred times as much
ENDLESS = 30.0  # seconds of CPU time after which a pattern counts as exponential
METHODS = ("search", "match", "fullmatch", "sub", "subn", "split", "findall", "finditer")
# Patterns that are applied only to texts that the program wrote itself or that an admin wrote into the settings.
OWN_TEXTS = ("mailer.config", "mailer.mail.template_check", "mailer.store.migrations", "mailer.settings", "mailer.cli")
OWN_MARKUP = ("mailer.mail.render._TAG",)  # applied only to markup that the program's own templates made
# Patterns whose time for a character is long, with the longest text that they are applied to.
BEHIND_A_CUT: Mapping[str, int] = {
    "mailer.sources.access._CLOSED_TEXT": 250,
    "mailer.sources.extras._CLOSING": 500,
    "mailer.sources.extras._MORE_AT_END": 500,
    "mailer.text.charset._XML_DECLARATION": 4096,
    "mailer.text.charset._META": 4096,
}
POOL = " \t\nab1A0._-:/<>=\"'@&;,()[]{}#+%|!?~\x00\u200c\u06cc\u0627\u06f1\u064e"
_PARSER: Any = re._parser  # type: ignore[attr-defined]


# --- finding the patterns --------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Use:
    """A pattern, and the methods by which the program applies it."""

    name: str
    pattern: re.Pattern[Any]
    methods: tuple[str, ...]


class _Names(dict[str, Any]):
    """The names of a module. A name that only a function knows is a word."""

    def __init__(self, module: ModuleType) -> None:
        super().__init__(vars(module))

    def __missing__(self, name: str) -> Any:
        return getattr(builtins, name, "word")


def modules() -> Iterator[tuple[ModuleType, ast.Module]]:
    for path in sorted((ROOT / "mailer").rglob("*.py")):
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        if not name.startswith(OWN_TEXTS) and not name.endswith("__main__"):
            yield importlib.import_module(name), ast.parse(path.read_text("utf-8"))


@cache
def uses() -> tuple[Use, ...]:
    found: dict[tuple[Any, ...], Use] = {}
    every = list(modules())
    # A name that begins with "_" is known only in its module.
    applied: dict[tuple[str, str], set[str]] = {}
    for module, tree in every:
        for name, each in _applied(tree).items():
            applied.setdefault((module.__name__ if name.startswith("_") else "", name), set()).update(each)
    for module, tree in every:
        for name, value in vars(module).items():
            for number, pattern in enumerate(_patterns(value)):
                shown = f"{module.__name__}.{name}" + (f"[{number}]" if number else "")
                home = module.__name__ if name.startswith("_") else ""
                methods = tuple(sorted(applied.get((home, name), {"search"})))
                found.setdefault((pattern.pattern, pattern.flags), Use(shown, pattern, methods))
        for line, method, pattern in _inline(module, tree):
            key = (pattern.pattern, pattern.flags)
            if method != "compile" or key not in found:
                methods = ("search",) if method == "compile" else (method,)
                found.setdefault((*key, method), Use(f"{module.__name__}:{line}", pattern, methods))
    return tuple(use for use in found.values() if use.name not in OWN_MARKUP)


def _applied(tree: ast.Module) -> dict[str, set[str]]:
    """Return the methods that a module applies to each name. The names in a loop over a table count for the table."""
    found: dict[str, set[str]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr in METHODS:
            name = node.value.id if isinstance(node.value, ast.Name) else getattr(node.value, "attr", "")
            found.setdefault(name, set()).add(node.attr)
    for node in ast.walk(tree):
        if isinstance(node, ast.For | ast.comprehension) and isinstance(node.iter, ast.Name):
            inside = {each.id for each in ast.walk(node.target) if isinstance(each, ast.Name)}
            methods = set().union(*(found.get(name, set()) for name in inside))
            if methods:
                found.setdefault(node.iter.id, set()).update(methods)
    return found


def _patterns(value: object) -> Iterator[re.Pattern[Any]]:
    if isinstance(value, re.Pattern):
        yield value
    elif isinstance(value, list | tuple | frozenset):
        for each in value:
            yield from _patterns(each)
    elif isinstance(value, dict):
        for each in value.values():
            yield from _patterns(each)


def _inline(module: ModuleType, tree: ast.Module) -> Iterator[tuple[int, str, re.Pattern[Any]]]:
    """Yield the patterns in calls such as `re.sub(…)`."""
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
            continue
        method, owner = node.func.attr, node.func.value
        if not (isinstance(owner, ast.Name) and owner.id == "re" and method in (*METHODS, "compile")):
            continue
        flags = next((each.value for each in node.keywords if each.arg == "flags"), None)
        if flags is None:
            place = {"sub": 4, "subn": 4, "split": 3, "compile": 1}.get(method, 2)
            flags = node.args[place] if len(node.args) > place else ast.Constant(0)
        names = _Names(module)
        pattern, flag = (eval(ast.unparse(each), dict(vars(module)), names) for each in (node.args[0], flags))
        yield node.lineno, method, pattern if isinstance(pattern, re.Pattern) else re.compile(pattern, flag)


# --- texts from a pattern --------------------------------------------------------------------------------------------
class _Sampler:
    """Makes texts that match a part of a pattern. `liked` are the characters that it prefers where it may choose."""

    def __init__(self, liked: str, chance: random.Random) -> None:
        self._liked, self._chance = liked, chance

    def sample(self, part: Any) -> str:
        return "".join(self._one(*node) for node in part)

    def _one(self, op: Any, value: Any) -> str:
        match str(op):
            case "LITERAL":
                return chr(value)
            case "NOT_LITERAL":
                return self._char(lambda char: ord(char) != value)
            case "ANY":
                return self._char(lambda char: char != "\n")
            case "IN":
                members = "".join(chr(each[1]) for each in value if str(each[0]) == "LITERAL")
                members += "".join(chr(each[1][0]) for each in value if str(each[0]) == "RANGE")
                return self._char(lambda char: _holds(value, char), members)
            case "BRANCH":
                return self.sample(self._chance.choice(value[1]))
            case "SUBPATTERN":
                return self.sample(value[3])
            case "ATOMIC_GROUP":
                return self.sample(value)
            case "MAX_REPEAT" | "MIN_REPEAT" | "POSSESSIVE_REPEAT":
                return "".join(self.sample(value[2]) for _ in range(min(max(value[0], 1), value[1], 50)))
        return ""  # an assertion, or a reference to a group

    def _char(self, fits: Callable[[str], bool], more: str = "") -> str:
        return next((char for char in (*self._liked, *more, *POOL) if fits(char)), "")


def _holds(members: Sequence[Any], char: str) -> bool:
    """Return True if a character is in a class of a pattern."""
    negated = str(members[0][0]) == "NEGATE"
    code = ord(char)
    for op, value in members:
        match str(op):
            case "LITERAL" if code == value:
                return not negated
            case "RANGE" if value[0] <= code <= value[1]:
                return not negated
            case "CATEGORY":
                kind = {"SPACE": r"\s", "DIGIT": r"\d", "WORD": r"\w"}[str(value).rpartition("_")[2]]
                if bool(re.match(kind, char)) != ("_NOT_" in str(value)):
                    return not negated
    return negated


def _repeats(part: Any, before: str, sampler: _Sampler) -> Iterator[tuple[str, str]]:
    """Yield each part of a pattern that may be repeated often, as (what comes before it, what it matches)."""
    for op, value in part:
        match str(op):
            case "MAX_REPEAT" | "MIN_REPEAT" | "POSSESSIVE_REPEAT":
                if value[1] > 1:
                    yield before, sampler.sample(value[2])
                yield from _repeats(value[2], before, sampler)
            case "BRANCH":
                for each in value[1]:
                    yield from _repeats(each, before, sampler)
            case "SUBPATTERN":
                yield from _repeats(value[3], before, sampler)
            case "ATOMIC_GROUP":
                yield from _repeats(value, before, sampler)
            case "ASSERT" | "ASSERT_NOT":
                yield from _repeats(value[1], before, sampler)
        before += sampler._one(op, value)
        yield "", before


def texts(pattern: re.Pattern[Any]) -> list[tuple[str, str, str]]:
    """Return texts as (beginning, part to repeat, end)."""
    tree = _PARSER.parse(pattern.pattern, pattern.flags)
    found: dict[tuple[str, str, str], None] = {}
    for seed, liked in enumerate(("a", " ", "1", "\n\t", "-.", "\u0627", "<", "", "")):
        sampler = _Sampler(liked, random.Random(seed))
        parts = list(_repeats(tree, "", sampler))
        bodies = list(dict.fromkeys(body for _, body in parts if body))[:12]
        for before, body in parts:
            found[before, body, "\x00"] = None
            found["", before + body, "\x00"] = None
        for one, other in pairwise(bodies):
            found["", one + other, "\x00"] = None
    found |= dict.fromkeys([("", " ", "x"), ("", "\n", "x"), ("x", " ", "\n"), ("", "a", "\x00")])
    return [each for each in found if each[1]]


def _text(pattern: re.Pattern[Any], parts: tuple[str, str, str], size: int) -> Any:
    begin, body, end = parts
    text = begin + body * max((size - len(begin) - len(end)) // len(body), 1) + end
    return text if isinstance(pattern.pattern, str) else text.encode("latin-1", "replace")


# --- the measurement -------------------------------------------------------------------------------------------------
def _apply(pattern: re.Pattern[Any], method: str, text: Any) -> None:
    if method in ("sub", "subn"):
        getattr(pattern, method)(text[:0], text)
    elif method == "finditer":
        for _ in pattern.finditer(text):
            pass
    else:
        getattr(pattern, method)(text)


def seconds(work: Callable[[], None], rounds: int) -> float:
    """Return the least CPU time of some rounds."""
    found = []
    for _ in range(rounds):
        begun = time.thread_time()
        work()
        found.append(time.thread_time() - begun)
    return min(found)


Work = Callable[[int], Callable[[], None]]  # prepares work for a size; only what it returns is measured


def first_slow(works: Sequence[Work]) -> int | None:
    """Return the number of a work that needs more than linear time, or None.

    All are compared at the two smaller sizes, and those that took longest there also at the largest one.
    """
    times = []
    for number, work in enumerate(works):
        small, middle = work(SIZES[0]), work(SIZES[1])
        taken = seconds(middle, 1)
        if _is_much_slower(small, middle, taken):
            return number
        times.append((taken, number))
    for _, number in sorted(times, reverse=True)[:LONGEST]:
        middle, large = works[number](SIZES[1]), works[number](SIZES[2])
        if _is_much_slower(middle, large, seconds(large, 1)):
            return number
    return None


def _is_much_slower(small: Callable[[], None], large: Callable[[], None], taken: float) -> bool:
    """Return True if work needs more than linear time for ten times as many characters. `taken` is a first measurement.

    Suspicious work is measured again: what ran beside the test, or a cold cache, may have cost more than the work.
    """
    return taken > ALLOWED * seconds(small, 1) and seconds(large, 3) > ALLOWED * seconds(small, 20)


def _endless(_number: int, _frame: object) -> None:
    raise TimeoutError("this pattern takes exponential time")


@pytest.fixture(autouse=True)
def _guard() -> Iterator[None]:
    before = signal.signal(signal.SIGVTALRM, _endless)
    signal.setitimer(signal.ITIMER_VIRTUAL, ENDLESS)
    yield
    signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    signal.signal(signal.SIGVTALRM, before)


@pytest.mark.parametrize("slow", [r"\s*;", r"\S*@\S*", "<!--.*?-->", r"<a\b[^>]*>", r"\w+="])
def test_the_measurement_notices_a_slow_pattern(slow: str) -> None:
    pattern = re.compile(slow)
    every = texts(pattern)
    assert first_slow([partial(_prepare, Use("", pattern, ()), each, "search") for each in every]) is not None


def _prepare(use: Use, parts: tuple[str, str, str], method: str, size: int) -> Callable[[], None]:
    text = _text(use.pattern, parts, min(size, BEHIND_A_CUT.get(use.name, size)))
    return partial(_apply, use.pattern, method, text)


@pytest.mark.parametrize("use", uses(), ids=lambda use: use.name)
def test_a_pattern_takes_linear_time(use: Use) -> None:
    every = [(parts, method) for parts in texts(use.pattern) for method in use.methods]
    slow = first_slow([partial(_prepare, use, *each) for each in every])
    assert slow is None, f"{every[slow]}: {use.pattern.pattern!r} needs more than linear time"


# --- the rules for texts as a whole ----------------------------------------------------------------------------------
def _page(text: str) -> None:
    with contextlib.suppress(UnreadableInput):
        pagetext.read("page", text, zone=ZoneInfo("Asia/Tehran"))


RULES: Mapping[str, Callable[[str], object]] = {
    "line": plain.line,
    "lead": lambda text: plain.lead(text, text[:100]),
    "paragraphs": plain.paragraphs,
    "verbatim": plain.verbatim,
    "opening": plain.opening,
    "name": plain.name,
    "labels": lambda text: plain.labels(text.split(" ")),
    "tags": lambda text: tags.text(text, " ", words=True),
    "asides": extras.without_asides,
    "elements": elements.read,
    "page": _page,
    "corrected": spelling.corrected,
    "key": search_key.key,
    "clean": clean.clean,
    "shortened": lambda text: clean.shorten(text, 500),
    "charset": lambda text: charset.decode(text.encode("utf-16-le")),
    "date": lambda text: dates.parse(text, zone=ZoneInfo("Asia/Tehran")),
    "link": lambda text: links.absolute(text, "https://news.example/"),
    "web address": lambda text: links.web_address("https://news.example/" + text),
    "canonical": lambda text: identity.canonical("https://news.example/" + text),
    "identity": lambda text: identity.identify(FoundArticle(title=text, source="s", guid=text, url=text)),
    "closed": lambda text: access.is_closed(text, text),
    "isolated": bidi.isolate,
    "bidi": bidi.plain,
}
PIECES = (
    *(
        "a",
        " ",
        "\n",
        "\u200c",
        "\u0627",
        "\u064e",
        "1",
        "-",
        ".",
        "/",
        "%",
        "@",
        "#",
        "[",
        "]",
        "(",
        "&",
        ";",
        "<",
        ">",
    ),
    *(
        "a ",
        " \n",
        "\u0627 ",
        "1+",
        "+1",
        "a=",
        "&amp;",
        "&#",
        "<a",
        "<a>",
        "</a>",
        "<p>",
        "<a b='",
        '<a b="',
        "<!--",
        "-->",
    ),
    *(
        "<![CDATA[",
        "]]>",
        "<?a",
        "[a]",
        "[/a]",
        "[caption]",
        "[a b=",
        "<item>",
        "<title>",
        "<a href=x>More",
        "http://a",
    ),
    *(
        "www.",
        "a@b",
        "\u0645\u06cc ",
        "\u0647\u0647",
        "\u0647\u0627\u06cc ",
        "\u0627 \u0647\u0627\u06cc ",
        "a.b",
        "2026-",
        "\U0001f600\u200d",
    ),
    *(
        "\u0627:",
        "\u0627\u060c ",
        "the post a ",
        "\ufeff",
        "\u0301",
        "a\u0301",
        "<script>",
        "<script></script",
        "</p",
        "<x:a>",
    ),
)


def _drop(rule: Callable[[str], object], text: str) -> None:
    rule(text)


@pytest.mark.parametrize("name", RULES)
def test_a_rule_for_texts_takes_linear_time(name: str) -> None:
    def prepare(piece: str, begin: str, size: int) -> Callable[[], None]:
        text = begin + piece * (size // len(piece))
        return partial(_drop, RULES[name], text)

    every = [(piece, begin) for piece in PIECES for begin in ("", "<p>\u0627 ", "x")]
    slow = first_slow([partial(prepare, *each) for each in every])
    assert slow is None, f"{every[slow]}: {name} needs more than linear time"
