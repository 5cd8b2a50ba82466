"""Reads the article in an HTML page of a news site, fetched or saved.

The page's metadata (OpenGraph, JSON-LD, Dublin Core, <title>, <time>, the canonical link) gives the title, lead, date,
picture and section. The page's text gives the body, which `pagetext` separates from menus and boxes. A page without a
paragraph below a title is not an article, but perhaps a front page, a login form or an error page. This module fetches
nothing. `docs/articles.md` has a table of the systems and what they write; each row of it has a test in
`tests/sources/test_page_layouts.py`.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from html.parser import HTMLParser
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import nh3

from mailer.errors import UnreadableInput
from mailer.model import FoundArticle
from mailer.sources import access, identity, jsonld, pagetext, plain
from mailer.sources.found import Found
from mailer.text import dates, links
from mailer.text.search_key import key

# The markup first passes through nh3, which keeps only the elements and attributes listed here and repairs the markup.
# Python's own parser alone would take minutes for 80 kB of "<a b='<a b='…".
_BLOCK_TAGS = "article blockquote br dd div dt form h1 h2 h3 h4 h5 h6 header li main ol p section table td tr ul"
_BLOCKS = frozenset(_BLOCK_TAGS.split())
_KEPT = _BLOCKS | {"a", "abbr", "base", "link", "meta", "script", "span", "time", "title"}
_VOID = frozenset(("base", "br", "link", "meta"))  # elements without an end tag
_HEADINGS = ("h1", "h2", "h3")
_DROPPED_WORDS = (
    "aside button dialog figcaption footer iframe nav noscript object select style svg template textarea "
    "amp-ad amp-consent amp-iframe amp-lightbox amp-sidebar amp-user-notification"
)
_DROPPED_WHOLE = set(_DROPPED_WORDS.split())
_ATTRIBUTES = {
    "*": {"class", "content", "hidden", "id", "itemprop", "itemtype", "property", "role", "style", "typeof"},
    "a": {"href"},
    "abbr": {"title"},
    "base": {"href"},
    "link": {"rel", "href"},
    "meta": {"name"},
    "script": {"type"},
    "time": {"datetime", "pubdate"},
}
# Maximum number of tags, ten times that of a large news page. Parsing more takes many seconds if they are nested.
_MANY_TAGS = 20_000
_SLOGAN = 40  # characters; a shorter description is the site's slogan, not a lead
_MOST_HEADINGS = 200  # headings of a page that are compared with its title
_LONGEST_TIME = 200  # characters of a <time> element's text
_LONGEST_TITLE = 500  # characters of a title that is compared with the text
_MOST_TITLES = 12  # possible titles that are looked for in the text
_MOST_NAMES = 5  # names of one <meta> element, as in property="dc:title og:title"
_DEEPEST = 40  # maximum depth of nested parts of a page

# The names of <meta> elements, the first choice first. Dublin Core's names are compared in the form "dc.date.issued".
_TITLES = ("og:title", "twitter:title", "dc.title", "title", "parsely-title", "sailthru.title")
_DESCRIPTIONS = ("description", "dc.description", "dc.abstract", "twitter:description", "sailthru.description")
_OUTLETS = ("og:site_name", "application-name", "apple-mobile-web-app-title", "dc.publisher", "publisher")
_DATES = (
    *("article:published_time", "article:published", "og:article:published_time", "og:published_time"),
    *("pubdate", "publishdate", "publish-date", "publish_date", "publication_date", "datepublished", "published_time"),
    *("parsely-pub-date", "sailthru.date", "cxenseparse:recs:publishtime", "dc.date.issued", "dc.issued"),
    *("dc.date.created", "dc.created", "dc.date.available", "dc.available", "dc.date"),
)
_OTHER_DATES = ("date", "created")  # often the date of the request, so every other date is better
_AUTHORS = ("author", "article:author", "dc.creator", "parsely-author", "sailthru.author")
_PICTURES = ("og:image", "og:image:url", "og:image:secure_url", "twitter:image", "twitter:image:src")
# Properties of microdata and RDFa that hold the date of publication.
_PUBLISHED = frozenset(("datepublished", "datecreated", "created", "issued", "pubdate", "dateissued"))
_CHANGED = frozenset(("datemodified", "modified", "updated"))
_PUBLISHED_CLASSES = frozenset(
    ("published", "entry-date", "dt-published", "date-published", "post-date", "publish-date", "published-date")
)
_ARTICLE_TYPE = re.compile(r"(?:Article|Posting)\b")

# Styles that hide text from readers. Some pages hide even the article until the reader scrolls to it, so every element
# that holds the article counts as visible.
_HIDDEN_STYLE = re.compile(
    r"display\s*:\s*none|visibility\s*:\s*hidden|(?:left|right|top|text-indent)\s*:\s*-\d{3}|font-size\s*:\s*0(?![.\d])",
    re.IGNORECASE,
)
_HIDDEN_WORDS = (
    "hidden hide d-none is-hidden sr-only visually-hidden visuallyhidden screen-reader-text invisible display-none "
    "element-invisible offscreen modal popup"
)
_HIDDEN_CLASSES = frozenset(_HIDDEN_WORDS.split())
_OTHERS_WORDS = (
    "comment comments comment-list commentlist comments-area respond disqus_thread related related-posts related-news "
    "relatedposts sidebar widget most-read latest-news"
)
_OTHERS = frozenset(_OTHERS_WORDS.split())
_SHOWN_CLASS = re.compile(r"(?:sm|md|lg|xl)\b.{0,30}(?:block|flex|grid|inline|table)")  # shown on larger screens
_COOKIE_BOX = re.compile(
    r"(?<!no)cookie|gdpr|consent|onetrust|cmplz|didomi|qc-cmp|(?:^|\s)(?:cc-(?:window|banner)|cky-|moove_)|"
    r"push-?notification|browser-?(?:update|upgrade|warning)",
    re.IGNORECASE,
)


def read(name: str, text: str, *, zone: ZoneInfo, address: str = "") -> Found:
    """Return the article of a page. `address` is the address from which the page was fetched, or "" for a saved page.

    Raises UnreadableInput if no article is recognised.
    """
    if text.count("<") > _MANY_TAGS:
        raise UnreadableInput(f"{name}: this page has too many tags for a news page.", "Save the text of the page.")
    page = _Page(address)
    page.feed(
        nh3.clean(text, tags=set(_KEPT), attributes=_ATTRIBUTES, clean_content_tags=_DROPPED_WHOLE, link_rel=None)
    )
    page.close()
    data = jsonld.read(page.blocks)
    names = _outlets(page, data)
    titles = list(_titles(page, names)) or list(_titles(page, ()))
    url = _own_address(page, address, titles, data)
    own, about = data.own(url, titles), data.page(url)
    if headline := plain.line(data.first(own, "headline")):
        titles.append(_without_outlets(headline, names))
    own_text = plain.paragraphs(data.first(own, "articleBody")) if own else None
    title, text_article = _read_text(name, page, titles[:_MOST_TITLES], zone, own_text)
    outlet = next(iter(names), "")
    lead = _lead(page, data, own, text_article, title, outlet)
    body = "\n".join(part for part in (text_article.lead, text_article.body) if part and key(part) != key(lead))
    published, raw = _date(page, data, own, about, title, zone)
    authors = (*data.values(own, "author"), *(page.first(each) for each in _AUTHORS))
    tags = "،".join(page.meta.get("article:tag") or data.values(own, "keywords"))
    section = page.first("article:section") or data.first(own, "articleSection") or page.property("articlesection")
    picture = next(filter(None, (page.first(each) for each in _PICTURES)), "") or data.first(
        own, "image", "thumbnailUrl"
    )
    picture = picture or data.first(about, "primaryImageOfPage", "image") or page.property("image") or page.picture
    return Found(
        (
            FoundArticle(
                title=title,
                source=identity.host(url),
                url=url,
                lead=lead,
                body=body,
                category=plain.line(section) or _section(data, title) or text_article.category,
                tags=plain.labels(tags.replace("،", ",").split(",")),
                author=next((each for each in map(plain.line, authors) if _is_author(each, names)), ""),
                image_url=links.absolute(picture, page.base or url or address),
                image_alt=plain.line(page.first("og:image:alt", "twitter:image:alt")),
                published=published or text_article.published,
                published_raw=raw if published or not text_article.published else text_article.published_raw,
                closed=_is_closed(page, data.closed(own, about), title, lead, body),
            ),
        ),
        _notes(name, data),
    )


def _notes(name: str, data: jsonld.Data) -> tuple[str, ...]:
    if not data.unread:
        return ()
    return (f"{name}: {data.unread} blocks of the page's JSON-LD are damaged and were left out.",)


def _is_closed(page: "_Page", said: bool | None, title: str, lead: str, body: str) -> bool | None:
    """Return True if the page says that its article is not free to read, False if it says that it is free, else None.

    `said` is what the page's JSON-LD says, in the same form.
    """
    if said is None:
        written = page.first("isaccessibleforfree", "article:content_tier") or page.property("isaccessibleforfree")
        said = None if (free := access.is_free(written)) is None else not free
    return said if said is not None or not access.is_closed(title, lead, body) else True


def _is_author(written: str, outlets: Sequence[str]) -> bool:
    """Return True if `written` may be a person's name: it is neither the address of a profile nor the outlet's name."""
    return written != "" and not written.startswith(("http", "@")) and key(written) not in map(key, outlets)


# --- titles ----------------------------------------------------------------------------------------------------------
_SEPARATORS = "-–—|:«»،•·›‹/"
_TITLE_PARTS = re.compile(r" [-–—|:•·›‹/«»<>]{1,4} | ?\| ?")


def _outlets(page: "_Page", data: jsonld.Data) -> list[str]:
    """Return the names by which the page calls its outlet, the most certain first."""
    logos = [each.text for each in page.headings if each.is_logo]
    site, *others = (plain.line(page.first(name)) for name in _OUTLETS)
    # Some pages give their own title as the name of the application or the publisher.
    titles = {key(page.first("og:title")), key(page.first("twitter:title"))} - {key(site)}
    found = [site, *(each for each in map(plain.line, (*others, *data.outlets, *logos)) if key(each) not in titles)]
    return list(dict.fromkeys(each for each in found if key(each)))


def _titles(page: "_Page", outlets: Sequence[str]) -> Iterator[str]:
    """Yield what may be the article's title, without the outlet's name, the most certain first."""
    known = set(map(key, outlets))
    named = [plain.line(page.first(name)[: 2 * _LONGEST_TITLE]) for name in _TITLES]
    named = [_without_outlets(each, outlets) for each in named if each]
    whole = plain.line(page.title[: 2 * _LONGEST_TITLE])
    headings = [each.text for each in page.headings if not each.is_logo and key(each.text) not in known]
    heading = _heading(page, [*named, whole], known)
    # If a heading is the beginning of <title>, the rest of <title> is the outlet's name.
    rest = _after_heading(whole, headings[:_MOST_HEADINGS])
    found = [each for each in (*named, heading, _without_outlets(whole, outlets)) if key(each) not in known | {rest}]
    yield from dict.fromkeys(_without_outlet(each, "", heading) for each in found if key(each))
    parts = _TITLE_PARTS.split(whole[:_LONGEST_TITLE])
    if len(parts) > 1:
        yield from (each for each in parts if key(each) not in known | {rest} and len(each.split()) > 2)


def _heading(page: "_Page", titles: Sequence[str], outlets: set[str]) -> str:
    """Return the heading that is the article's title.

    This is a heading that is the beginning of one of `titles`, else the first <h1>, else "".
    """
    keys = [found for each in titles if (found := key(each))]
    own = [each for each in page.headings[:_MOST_HEADINGS] if not each.is_logo and key(each.text) not in outlets | {""}]
    for each in own:
        words = key(each.text)
        if len(words.split()) > 1 and any(title == words or title.startswith(f"{words} ") for title in keys):
            return each.text
    return next((each.text for each in own if each.level == "h1"), "")


def _after_heading(title: str, headings: Sequence[str]) -> str:
    """Return the key of what follows a heading in a <title>, or "": the key of «سایت خبری» for «تیتر | سایت خبری»."""
    for heading in headings:
        rest = title.removeprefix(heading).strip()
        if heading and len(rest) < len(title.strip()) and rest[:1] in tuple(_SEPARATORS):
            return key(rest)
    return ""


def _without_outlets(title: str, outlets: Iterable[str]) -> str:
    for outlet in outlets:
        title = _without_outlet(title, outlet, "")
    return title


def _without_outlet(title: str, outlet: str, heading: str) -> str:
    """Return the title without the outlet's name at either end: «تیتر» for «تیتر - سایت خبری»."""
    # Cut only at a separator. Otherwise a heading «ایران», perhaps the site's logo, would replace a title that begins
    # with «ایرانیان», and an outlet's name would be cut from the end of a sentence.
    if heading and heading != outlet and title.startswith(heading):
        rest = title.removeprefix(heading).lstrip()
        if not rest or rest[0] in _SEPARATORS:
            return heading
    if outlet and title.endswith(outlet):
        first = title.removesuffix(outlet).rstrip()
        if first and first[-1] in _SEPARATORS:
            return first.rstrip(" " + _SEPARATORS) or title
    if outlet and title.startswith(outlet):
        last = title.removeprefix(outlet).lstrip()
        if last and last[0] in "|»›•·" and len(last.split()) > 2:
            return last.lstrip(" " + _SEPARATORS) or title
    return title


# --- text ------------------------------------------------------------------------------------------------------------
def _read_text(
    name: str, page: "_Page", titles: Sequence[str], zone: ZoneInfo, own_text: str | None
) -> tuple[str, FoundArticle]:
    """Return the article's title, and the article as the page's text gives it.

    Raises UnreadableInput if no article is recognised.

    `own_text` is the text in the JSON-LD of the page's own article, or None if the page has no such JSON-LD.
    """
    visible = page.text()
    # If the visible text has no article, read the hidden text too: on some pages, a script shows the text later.
    for text in dict.fromkeys((visible, page.text(hidden=True))):
        lines = set(map(key, text.split("\n", pagetext.MOST_LINES)))
        for title in titles:
            if key(title) not in lines:
                continue
            try:
                found = pagetext.read(name, text, zone=zone, title=title)
            except UnreadableInput:
                continue
            return found.title, found
    if titles and (own_text is not None or page.first("og:type").lower() == "article"):
        # The page says that it is an article. Perhaps its title is a picture or is worded differently in the metadata,
        # or a script adds its text in the browser.
        own = page.own(titles[0])
        for text in (page.text(within=own) if own else "", visible, own_text or ""):
            try:
                return titles[0], pagetext.read(name, f"{titles[0]}\n{text}", zone=zone, title=titles[0])
            except UnreadableInput:
                continue
    raise UnreadableInput(
        f"{name}: no article is recognised in this HTML page.",
        "It needs a title and at least one paragraph below it; save the article's own page, or a feed.",
    )


def _lead(page: "_Page", data: jsonld.Data, own: jsonld.Object, text: FoundArticle, title: str, outlet: str) -> str:
    """Return the description that the newsroom wrote.

    Returns the first paragraph if there is no description, or if it only repeats the title or the first paragraph.
    """
    written = (
        page.first("og:description"),
        data.first(own, "description"),
        *(page.first(each) for each in _DESCRIPTIONS),
    )
    for description in written:
        if len(description) < _SLOGAN or pagetext.is_cookie_notice(description):
            continue
        lead = plain.lead(description, outlet)
        short = key(lead.removesuffix("…").removesuffix("..."))
        if short and short != key(title) and not key(text.lead).startswith(short):
            return lead
        break  # the description repeats the title or the beginning of the first paragraph
    return text.lead


def _section(data: jsonld.Data, title: str) -> str:
    """Return the section in the JSON-LD breadcrumb: the part between the front page and the article, or ""."""
    parts = [plain.line(each) for each in data.breadcrumb]
    return parts[1] if len(parts) > 2 and key(parts[1]) != key(title) else ""


# --- address and date ------------------------------------------------------------------------------------------------
def _own_address(page: "_Page", address: str, titles: Sequence[str], data: jsonld.Data) -> str:
    """Return the address that the page gives for itself.

    Returns `address` if the page gives no address, or only that of another site or of a front page.
    """
    base = page.base or address
    for claimed in (page.canonical, page.first("og:url"), data.first(data.own(address, titles), "url")):
        url = links.absolute(claimed, base)
        if url and urlsplit(url).path.strip("/") and (not address or identity.host(url) == identity.host(address)):
            return url
    return links.absolute(address)


def _date(
    page: "_Page", data: jsonld.Data, own: jsonld.Object, about: jsonld.Object, title: str, zone: ZoneInfo
) -> tuple[datetime | None, str]:
    """Return the date of publication and its original text.

    Uses the first date that can be read. If none can be read, returns None and the text of the first date.
    """
    written = (
        # JSON-LD comes first, because some sites give the date of the last change as "article:published_time".
        *data.values(own, "datePublished"),
        *(page.first(each) for each in _DATES),
        *page.times(title),
        *data.values(own, "dateCreated"),
        *data.values(about, "datePublished"),
        *(page.first(each) for each in _OTHER_DATES),
    )
    first = ""
    for each in written:
        raw = plain.line(each)
        if published := dates.parse(raw, zone=zone):
            return published, raw
        first = first or raw
    return None, first


# --- the page --------------------------------------------------------------------------------------------------------
@dataclass(eq=False, slots=True)
class _Scope:
    """A part of the page whose text, times and properties belong together."""

    parent: "_Scope | None" = None
    is_article: bool = False
    is_other: bool = False  # comments, or a box with other articles
    hidden: bool = False
    has_article: bool = False  # the page's heading or the body of an article is inside
    depth: int = 0

    def chain(self) -> "Iterator[_Scope]":
        """Yield this part and those around it, from the inside to the outside."""
        each: _Scope | None = self
        while each:
            yield each
            each = each.parent

    def article(self) -> "_Scope | None":
        """Return the nearest part, beginning with this one, that is an article or has `is_other`.

        Returns None if there is no such part.
        """
        return next((each for each in self.chain() if each.is_article or each.is_other), None)


@dataclass(frozen=True, slots=True)
class _Heading:
    level: str
    text: str
    is_logo: bool  # True if it is a link to the front page
    scope: _Scope
    place: int


@dataclass(frozen=True, slots=True)
class _Time:
    text: str
    certain: bool  # the page says that this is when the article was published
    scope: _Scope
    place: int  # how many pieces of the page's text come before it


@dataclass(slots=True)
class _Open:
    """An element that is being read."""

    tag: str
    scope: _Scope
    kind: str = ""  # "title", "script", "data" (JSON-LD), "heading" or "time" if its text is kept; else ""
    content: list[str] = field(default_factory=list)
    certain: bool = False
    all_linked: bool = True  # of a heading: all its text is in links to the front page
    home: bool = False  # it is a link to the front page


class _Page(HTMLParser):
    """Collects a page's text, headings, times and metadata. The caller must repair the markup before feeding it."""

    def __init__(self, address: str) -> None:
        super().__init__(convert_charrefs=True)
        self.meta: defaultdict[str, list[str]] = defaultdict(list)
        self.canonical = self.title = self.base = self.picture = ""
        self.headings: list[_Heading] = []
        self.blocks: list[str] = []  # JSON-LD
        self._address = address
        self._root = _Scope()
        self._open = [_Open("", self._root)]
        self._kept: _Open | None = None  # the element whose text is kept
        self._text: list[tuple[_Scope, str]] = []  # every block begins on a new line
        self._times: list[_Time] = []
        self._properties: list[tuple[str, str, _Scope]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        scope = self._scope(tag, found)
        if tag in ("meta", "link", "base"):
            self._head(tag, found)
        self._read_properties(tag, found, scope)
        if tag in _BLOCKS and not (tag == "br" and self._kept and self._kept.kind == "heading"):
            self._text.append((scope, "\n"))
        elif tag == "br":
            self.handle_data(" ")
        if tag in _VOID:
            return
        opened = _Open(tag, scope)
        self._open.append(opened)
        if tag == "a":
            opened.home = self._is_home(found.get("href", ""))
        elif tag in ("title", "script", *_HEADINGS) and (tag not in _HEADINGS or not self._kept):
            data = found.get("type", "").split(";")[0].strip().lower() == "application/ld+json"
            opened.kind = "data" if data else "heading" if tag in _HEADINGS else tag
        elif tag == "time" and not self._kept:
            self._begin_time(opened, found)
        if opened.kind:
            self._kept = opened

    def _scope(self, tag: str, found: dict[str, str]) -> _Scope:
        """Return the part of the page to which an element belongs: a new part if the element begins one."""
        scope = self._open[-1].scope
        is_article = tag == "article" or bool(_ARTICLE_TYPE.search(found.get("itemtype") or found.get("typeof") or ""))
        hidden, is_other = _is_hidden(found), not is_article and _is_about_others(found)
        if (is_article or hidden or is_other) and scope.depth < _DEEPEST:
            scope = _Scope(scope, is_article, is_other, hidden, depth=scope.depth + 1)
        if "articleBody" in found.get("itemprop", "").split():
            self._holds_article(scope)
        return scope

    def _holds_article(self, scope: _Scope) -> None:
        for each in scope.chain():
            each.has_article = True

    def _head(self, tag: str, found: dict[str, str]) -> None:
        content, href = found.get("content", ""), found.get("href", "").strip()
        relations = found.get("rel", "").lower().split()
        if tag == "meta" and content.strip():
            for name in ("property", "name", "itemprop"):
                for each in found.get(name, "").split()[:_MOST_NAMES]:
                    self.meta[_meta_name(each)].append(content)
        elif tag == "base" and not self.base:
            self.base = links.absolute(href, self._address)
        elif "canonical" in relations:
            self.canonical = self.canonical or href
        elif "image_src" in relations:
            self.picture = self.picture or href

    def _read_properties(self, tag: str, found: dict[str, str], scope: _Scope) -> None:
        names = {each.rpartition(":")[2].lower() for each in found.get("itemprop", found.get("property", "")).split()}
        value = found.get("content") or found.get("datetime") or (found.get("title", "") if tag == "abbr" else "")
        if not names or not value.strip():
            return
        if names & _PUBLISHED and not names & _CHANGED:
            self._times.append(_Time(value, True, scope, len(self._text)))
        self._properties += [(name, value, scope) for name in sorted(names)]

    def _begin_time(self, opened: _Open, found: dict[str, str]) -> None:
        classes, names = set(found.get("class", "").lower().split()), set(found.get("itemprop", "").lower().split())
        published = bool(names & _PUBLISHED or "pubdate" in found or classes & _PUBLISHED_CLASSES)
        if not published and (names & _CHANGED or classes & _CHANGED):
            return
        if value := found.get("datetime", "").strip():
            self._times.append(_Time(value, published, opened.scope, len(self._text)))
        else:
            opened.kind, opened.certain = "time", published

    def handle_endtag(self, tag: str) -> None:
        if self._open[-1].tag == tag or any(each.tag == tag for each in self._open[1:]):
            while self._end(self._open.pop()) != tag:
                pass
        if tag in _BLOCKS:
            self._text.append((self._open[-1].scope, "\n"))

    def _end(self, closed: _Open) -> str:
        text = "".join(closed.content)
        match closed.kind:
            case "data":
                self.blocks.append(text)
            case "title":
                self.title = self.title or text
            case "heading":
                logo = closed.all_linked and bool(text.strip())
                place = len(self._text)
                if closed.tag == "h1" and not logo:
                    self._holds_article(closed.scope)
                self.headings.append(_Heading(closed.tag, " ".join(text.split()), logo, closed.scope, place))
            case "time":
                self._times.append(_Time(text[:_LONGEST_TIME], closed.certain, closed.scope, len(self._text)))
        if closed is self._kept:
            self._kept = None
        return closed.tag

    def handle_data(self, data: str) -> None:
        kept = self._kept
        if kept:
            kept.content.append(data)
            if kept.kind == "heading" and data.strip():
                kept.all_linked = kept.all_linked and any(each.home for each in self._open[-_DEEPEST:])
        if kept is None or kept.kind in ("heading", "time"):
            self._text.append((self._open[-1].scope, data.replace("\n", " ")))

    def _is_home(self, href: str) -> bool:
        """Return True for the address of a front page, such as "/", "https://news.example" and "/fa/"."""
        parts = urlsplit(links.absolute(href, self.base or self._address or "https://site.invalid/") or "x")
        return bool(
            re.fullmatch(r"/?(?:(?:fa|ar|en)(?:-\w\w)?/?)?(?:index|default)?(?:\.\w{3,5})?", parts.path.lower())
        )

    def first(self, *names: str) -> str:
        """Return the content of the first of the named <meta> elements that the page has, or ""."""
        return next((self.meta[name][0] for name in names if name in self.meta), "")

    def property(self, name: str) -> str:
        """Return a property of microdata or RDFa that belongs to the page or its own article, or ""."""
        found = [(value, scope) for each, value, scope in self._properties if each == name]
        return next((value for value, scope in found if not (inner := scope.article()) or inner.has_article), "")

    def own(self, title: str) -> _Scope | None:
        """Return the article whose heading is the title, or else the one that has most of the page's text, or None."""
        wanted = key(title)
        headed = [each.scope.article() for each in self.headings if key(each.text) == wanted]
        if found := next((each for each in headed if each and not each.is_other), None):
            return found
        lengths: dict[_Scope | None, int] = defaultdict(int)
        for scope, text in self._text:
            lengths[scope.article()] += len(text.strip())
        longest = max(lengths, key=lengths.__getitem__, default=None)
        most = longest is not None and 2 * lengths[longest] > sum(lengths.values())
        return longest if longest and most and not longest.is_other else None

    def times(self, title: str) -> list[str]:
        """Return the times of the page's own article. Those that the page gives as times of publication come first.

        A time outside every article also counts if it is below the heading or is given as a time of publication.
        """
        own, wanted = self.own(title), key(title)
        heading = next((each for each in self.headings if key(each.text) == wanted), None)
        found = []
        for each in self._times:
            inner = each.scope.article()
            below = inner is None and heading is not None and each.place >= heading.place
            if (own is not None and inner is own) or below or (inner is None and each.certain):
                found.append(each)
        return [each.text for each in sorted(found, key=lambda each: not each.certain)]

    def text(self, *, hidden: bool = False, within: _Scope | None = None) -> str:
        """Return the page's text with each block on a line of its own.

        Leaves out what readers cannot see, unless `hidden` is set. `within` limits the text to a part of the page.
        """
        shown: dict[int, bool] = {}
        parts = []
        for scope, text in self._text:
            if id(scope) not in shown:
                chain = list(scope.chain())
                visible = hidden or not any(each.hidden and not each.has_article for each in chain)
                shown[id(scope)] = visible and (within is None or within in chain)
            if shown[id(scope)]:
                parts.append(text)
        return "".join(parts)


def _meta_name(written: str) -> str:
    """Return the name of a <meta> element in lower case. "DCTERMS.created" and "dc:created" give "dc.created"."""
    name = written.strip().lower()
    prefix, _, rest = name.replace(":", ".").partition(".")
    return f"dc.{rest}" if prefix in ("dc", "dcterms", "dcterm") and rest else name


def _is_about_others(found: dict[str, str]) -> bool:
    """Return True for a part of the page with comments or with other articles."""
    words = f"{found.get('id', '')} {found.get('class', '')}".lower().split()
    return not _OTHERS.isdisjoint(words)


def _is_hidden(found: dict[str, str]) -> bool:
    """Return True if an element's attributes show that it is hidden or is a notice shown in front of the page."""
    classes = found.get("class", "").lower().split()
    if (
        "hidden" in found
        or found.get("role") in ("dialog", "alertdialog")
        or _HIDDEN_STYLE.search(found.get("style", ""))
    ):
        return True
    if not _HIDDEN_CLASSES.isdisjoint(classes) and not any(map(_SHOWN_CLASS.search, classes)):
        return True
    return bool(_COOKIE_BOX.search(f"{found.get('id', '')} {found.get('class', '')}"))
