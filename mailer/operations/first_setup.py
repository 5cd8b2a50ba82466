"""Chooses the settings of a new deployment from what was found on the newsroom's site.

All functions here are pure. Each choice has its reason, and what could not be chosen is listed for the admin.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from mailer.config.fields import Place
from mailer.sources.site import Offer, Site
from mailer.text import calendar, links, section_words
from mailer.text.characters import arabic_letters

_TITLES = {
    "fa": "خبرنامهٔ هفتگی",
    "ar": "النشرة الأسبوعية",
    "en": "Weekly newsletter",
    "he": "הניוזלטר השבועי",
    "ur": "ہفتہ وار نیوز لیٹر",
    "ckb": "هەواڵنامەی هەفتانە",
}
_SAME_LANGUAGE = {"iw": "he", "ku": "ckb"}  # other codes that sites use for these languages
# Characters by which a language of the Arabic script is recognised. Persian and Arabic are tried last, because Urdu and
# Sorani texts have most of the Persian characters, too.
_ONLY = {"ckb": "ێۆڵڕە", "ur": "ٹڈڑںےہ", "fa": "پچژگکی", "ar": "ةيكى"}
_HEBREW = re.compile("[א-ת]")
_HEX = re.compile(r"#?([0-9a-fA-F]{3}|[0-9a-fA-F]{6})")
_RGB = re.compile(r"rgba?\(\s{0,5}(\d{1,3})[\s,]{1,5}(\d{1,3})[\s,]{1,5}(\d{1,3})\b.{0,20}\)")
_FEW = 5  # a source with fewer articles in the last two weeks cannot fill an issue
_ON_FRONT = 5  # a front page is used only if it links to at least this many articles of a source
_PLAIN_COLOURS = ("#ffffff", "#000000")
_LONGEST_NAME = 80  # characters
# Settings that no site reveals. Without the first three, no issue can go to real readers.
_TO_FILL = (
    "newsletter.from: the address that the newsletter comes from",
    "newsletter.base_url: the public address of this service's pages",
    "[[smtp]]: the relay that takes the mails",
    "newsletter.postal_address: many countries require it",
)
# This hint is given if the site has articles, but no list of the most read ones.
_NO_LIST = (
    '[[articles.feeds]] kind = "most_read", or views: no list of the most read articles was found, without which the '
    "stories are chosen only by place, coverage and quality"
)


@dataclass(frozen=True, slots=True)
class Choice:
    """A setting, its value, and why it was chosen."""

    place: Place
    value: Any
    why: str


@dataclass(frozen=True, slots=True)
class Proposal:
    """The settings for a new deployment.

    `passed_over` names each source that is not used, with the reason; `to_fill` lists what the admin has to fill in.
    """

    choices: tuple[Choice, ...]
    passed_over: tuple[str, ...]
    to_fill: tuple[str, ...]

    @property
    def values(self) -> dict[Place, Any]:
        return {each.place: each.value for each in self.choices}


@dataclass(frozen=True, slots=True)
class Sections:
    """The sections of a newsletter.

    `mapped` has the section of each raw category, in the order of the mail. `unmapped` has the number of articles in
    each category without a section.
    """

    mapped: dict[str, str]
    unmapped: dict[str, int]


def propose(site: Site) -> Proposal:
    """Return the settings for a site and the reasons for them."""
    choices = [Choice(("newsletter", "site_url"), site.address.rstrip("/"), "the address that you gave")]
    to_fill = list(_TO_FILL)
    name = site.about.get("name", "")
    if 0 < len(name) <= _LONGEST_NAME:
        choices.insert(0, Choice(("newsletter", "name"), name, "the name that the site gives itself"))
    else:
        to_fill.insert(0, "newsletter.name: the site does not say its name")
    choices += _language(site, to_fill)
    choices += _looks(site)
    sources, passed_over = _sources(site)
    if sources:
        choices.append(
            Choice(("articles", "feeds"), [feed for feed, _ in sources], "; ".join(why for _, why in sources))
        )
        if not site.most_read:
            to_fill.append(_NO_LIST)
    else:
        why = site.problem.rstrip(".") or "the site offers no feed, no WordPress interface and no sitemap"
        to_fill.insert(0, f"[[articles.feeds]] or [articles.database]: {why}")
    return Proposal(tuple(choices), tuple(passed_over), tuple(to_fill))


def _language(site: Site, to_fill: list[str]) -> list[Choice]:
    said = site.about.get("language", "")
    said = _SAME_LANGUAGE.get(said, said if said in _TITLES else said[:2])
    titles = " ".join((site.about.get("name", ""), *(each for offer in site.offers for each in offer.titles)))
    written = _by_characters(titles)
    if said in _TITLES and (not written or written == said or said == "en" == written):
        locale, why = said, f'the site says lang="{said}"'
    elif written:
        locale = written
        why = f'its titles are written so, although it says lang="{said}"' if said else "its titles are written so"
    else:
        to_fill.append("newsletter.locale, calendar and timezone: the site does not say its language")
        return []
    direction = "ltr" if locale == "en" else "rtl"
    if site.about.get("direction") not in (direction, None):
        why += f', but dir="{site.about["direction"]}"'
    choices = [
        Choice(("newsletter", "locale"), locale, why),
        Choice(("newsletter", "title"), _TITLES[locale], "the usual title in this language"),
        Choice(("newsletter", "calendar"), calendar.usual(locale), "the calendar of this language"),
    ]
    zone = site.about.get("timezone", "")
    if _is_zone(zone):
        choices.append(Choice(("newsletter", "timezone"), zone, "the time zone of the site's WordPress"))
    elif locale == "fa":
        choices.append(Choice(("newsletter", "timezone"), "Asia/Tehran", "the usual one of this language"))
    else:
        choices.append(Choice(("newsletter", "timezone"), "UTC", "the site does not say its time zone"))
        to_fill.append("newsletter.timezone: the site does not say its time zone; UTC is used until you set it")
    return choices


def _by_characters(text: str) -> str:
    """Return the code of the language that the characters of a text suggest, or "" if the text is too short."""
    arabic, hebrew, latin = arabic_letters(text), len(_HEBREW.findall(text)), len(re.findall("[A-Za-z]", text))
    if arabic + hebrew + latin < 20:
        return ""
    if max(arabic, hebrew, latin) == latin:
        return "en"
    if hebrew > arabic:
        return "he"
    own = {code: sum(map(text.count, letters)) for code, letters in _ONLY.items()}
    for code in ("ckb", "ur"):
        if own[code] > arabic / 20:  # a few such characters may be a name in a Persian title
            return code
    return "fa" if own["fa"] >= own["ar"] else "ar"


def _is_zone(name: str) -> bool:
    try:
        return bool(name) and ZoneInfo(name) is not None
    except (KeyError, ValueError, OSError):
        return False


def _looks(site: Site) -> list[Choice]:
    choices = []
    colour = hex_colour(site.about.get("colour", ""))
    if colour and colour not in _PLAIN_COLOURS:
        choices.append(Choice(("theme", "accent"), colour, "the site's theme-color"))
    logo = links.web_address(site.about.get("logo", "")).partition("?")[0].partition("#")[0]
    if logo and links.picture(logo) and urlsplit(logo).path.lower().endswith((".png", ".jpg", ".jpeg", ".gif")):
        choices.append(Choice(("theme", "logo"), logo, "the logo that the site names or shows first"))
    return choices


def hex_colour(written: str) -> str:
    """Return a colour in the form "#0f5f4b", or "" if it is not written as "#rgb", "#rrggbb" or "rgb(…)"."""
    if found := _HEX.fullmatch(written.strip()):
        digits = found[1] if len(found[1]) == 6 else "".join(2 * digit for digit in found[1])
        return f"#{digits.lower()}"
    if (found := _RGB.fullmatch(written.strip())) and all(int(part) < 256 for part in found.groups()):
        return "#" + "".join(f"{int(part):02x}" for part in found.groups())
    return ""


def _sources(site: Site) -> tuple[list[tuple[dict[str, Any], str]], list[str]]:
    """Return the sources to collect, each with the reason, and a line about each source that is not used.

    WordPress's interface is preferred, because it gives the most about each article. Feeds come next. Sitemaps come
    last, because each of their pages must be fetched.
    """
    usable = [each for each in site.offers if not each.problem and each.articles]
    best = min(usable, key=_rank, default=None)
    passed_over = [_passed_over(each, best) for each in site.offers if each is not best]
    if best is None:
        return [], passed_over
    feed = {"kind": best.kind, "url": best.address}
    found = [(feed, f"{_named(best)} with {_counted(best)}")]
    if best.kind == "sitemap" or best.on_front >= _ON_FRONT:
        address = site.address if urlsplit(site.address).path else f"{site.address}/"
        on_front = f"{best.on_front} of these articles are on it" if best.on_front else f"it has {site.links} links"
        found.append(({"kind": "front", "url": address}, f"the front page, for the order of its links ({on_front})"))
    if site.most_read:
        why = f"the site's own list of its most read articles ({site.most_read.articles} links)"
        found.append(({"kind": "most_read", "url": site.most_read.address}, why))
    return found, passed_over


def _rank(offer: Offer) -> tuple[bool, int, int, int]:
    kinds = ("wordpress", "feed", "sitemap")
    return offer.recent < _FEW, kinds.index(offer.kind), -offer.recent, -offer.articles


def _named(offer: Offer) -> str:
    names = {"wordpress": "WordPress's interface", "feed": "the feed", "sitemap": "the sitemaps of the site"}
    return f"{names[offer.kind]} {offer.address}" if offer.kind == "feed" else names[offer.kind]


def _counted(offer: Offer) -> str:
    if offer.kind == "sitemap":
        return f"{offer.articles} new pages"
    return f"{offer.articles} articles, {offer.recent} of the last two weeks"


def _passed_over(offer: Offer, best: Offer | None) -> str:
    if offer.problem:
        return f"{_named(offer)}: {offer.problem}"
    if not offer.articles:
        return f"{_named(offer)}: it has no articles."
    chosen = _named(best) if best else "nothing"
    return f"{_named(offer)}: not needed besides {chosen} ({_counted(offer)})."


def sections(categories: Mapping[str, int], locale: str) -> Sections:
    """Return the sections for the raw categories in `categories`, which has the number of articles of each category."""
    known = {name: section_words.section_of(name, locale) for name in categories}
    order = section_words.in_order(locale)
    mapped = sorted((name for name, section in known.items() if section), key=lambda name: order.index(known[name]))
    unmapped = {name: count for name, count in categories.items() if name and not known[name]}
    return Sections({name: known[name] for name in mapped}, unmapped)


def lines(proposal: Proposal) -> Sequence[str]:
    """Return what was chosen and why, as lines for people."""
    found = []
    for each in proposal.choices:
        name = ".".join(map(str, each.place))
        if name == "articles.feeds":
            found += [f"  [[articles.feeds]] {feed['kind']} {feed['url']}" for feed in each.value]
            found.append(f"    {each.why}")
        else:
            found.append(f"  {name} = {each.value}   ({each.why})")
    return found
