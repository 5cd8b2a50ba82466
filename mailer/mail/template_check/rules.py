"""Checks that a mail or page keeps the rules that can be checked without a browser.

The rules are about direction, language, roles, alt texts, and styles that mail programs drop. 99.9 % of HTML mails
break some of these rules. `templates check` and `make gates` run these checks. Only `make gates`, which starts a
browser, also checks how a mail looks after a sanitiser and in dark mode.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from urllib.parse import urlsplit
from xml.etree.ElementTree import Element

from mailer.mail import bidi
from mailer.mail.render import HTML_BYTES, MAIL_BYTES, encoded
from mailer.mail.template_check import markup
from mailer.text import headlines
from mailer.text.characters import ARABIC_DIGITS, ARABIC_LETTERS, RLM, is_invisible
from mailer.text.locales import FA, LATIN_RUN, Locale

STYLE_BYTES = 8192  # maximum number of bytes of all <style> elements together; Gmail accepts little more
PREHEADER = range(40, 131)  # how many characters a preheader may have

# The CSS properties that nearly every mail program supports, according to caniemail.com.
PROPERTIES = {
    *("background-color", "color", "font-family", "font-size", "font-weight", "line-height", "text-align"),
    *(
        "text-decoration",
        "direction",
        "display",
        "word-break",
        "white-space",
        "vertical-align",
        "overflow",
        "border-collapse",
    ),
    *("padding", "padding-top", "padding-bottom", "padding-left", "padding-right", "margin", "margin-top"),
    *("margin-bottom", "width", "max-width", "height", "max-height", "border", "border-top", "border-radius"),
    *("mso-hide", "mso-line-height-rule", "mso-table-lspace", "mso-table-rspace", "mso-padding-alt"),
    *("color-scheme", "supported-color-schemes", "-webkit-text-size-adjust", "-ms-text-size-adjust"),
}
_FORBIDDEN = (
    *("script", "iframe", "form", "object", "embed", "link", "video", "audio", "svg", "picture", "base", "input"),
    *("bdi", "th", "section", "main", "nav"),
)
_VAGUE = {"اینجا", "اینجا کلیک کنید", "ادامه", "بیشتر", "هنا", "المزيد", "here", "click here", "more", "read more"}
_DOT_BESIDE_DIGIT = re.compile(r"[۰-۹٠-٩]\s*[·•]|[·•]\s*[۰-۹٠-٩]")
_TEXT_LINE = 120  # characters, with direction marks
_LEAST_HEADLINE = 15  # characters; shorter headings name a section, which an alt text may mention
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufffd]")
_NOT_PERSIAN = re.compile(f"[{''.join(map(chr, ARABIC_LETTERS))}{ARABIC_DIGITS}\u0649\u0640]")
_LOST_ZWNJ = re.compile("[\u0621-\u06cc] +(?:ها|های)(?![\u0621-\u06cc])|(?<![\u0621-\u06cc\u200c])ن?می [\u0621-\u06cc]")
_LATIN_NUMBER = re.compile(r"(?<![A-Za-z0-9/.:_-])[0-9]+(?![A-Za-z0-9])")
_LEFTOVER = re.compile(r"\{\{|\}\}|\{%|%\}|(?<![A-Za-z])(?:None|undefined|null|NaN)(?![A-Za-z])|[\x02\x03]")


@dataclass(frozen=True, slots=True)
class Finding:
    """One violation: the name of the rule, and what is wrong."""

    rule: str
    what: str

    def __str__(self) -> str:
        return f"{self.rule}: {self.what}"


def mail(html: str, text: str, *, raw: str = "", locale: Locale = FA, own_words: bool = True) -> list[Finding]:
    """Returns all violations in a mail. `html` and `text` are the parts of the mail as one reader gets them.

    `raw` is the HTML before its styles were inlined, because inlining silently repairs broken markup. Pass
    `own_words=False` for a mail with hostile sample texts, whose words must not be checked.
    """
    tree, problems = markup.read(html)
    _, before = markup.read(raw)
    _, in_word = markup.read(markup.as_word_sees_it(html))
    found = [Finding("nesting", each) for each in dict.fromkeys([*before, *problems, *in_word])]
    body = next(tree.iter("body"), Element("body"))
    wrapper = next(iter(body), Element("div"))
    found += [*_direction(tree, body, wrapper, locale), *_tables(tree, html, locale)]
    found += [*_pictures(tree), *_headings(tree)]
    found += [*_links(tree, html, text), *_preheader(wrapper), *_styles(tree, html), *_tags(tree), *_sizes(html, text)]
    found += [*_characters(tree, html, text), *_text_part(text, locale), *_order(tree, text, locale)]
    if own_words:
        words = " ".join(f"{markup.text(tree)} {' '.join(_spoken(tree))}".split())
        found += [*_leftovers(html, text, words), *_spelling(words, text, locale)]
    return list(dict.fromkeys(found))


def page(html: str, locale: Locale) -> list[Finding]:
    """Returns all violations in a web page.

    Most rules forbid elements that a browser would not load because of the page's content security policy.
    """
    tree, problems = markup.read(html)
    whole = next(tree.iter("html"), tree)
    found = [Finding("nesting", each) for each in dict.fromkeys(problems)]
    if (whole.get("lang"), whole.get("dir")) != (locale.code, locale.direction):
        found.append(Finding("direction", f"html lacks lang={locale.code} dir={locale.direction}"))
    if len(list(tree.iter("h1"))) != 1:
        found.append(Finding("heading", "there must be one h1"))
    for element in tree.iter():
        active = any(name == "style" or name.startswith("on") for name in element.attrib)
        if active or element.tag in ("script", "style", "iframe", "object", "embed"):
            found.append(Finding("tag", f"<{element.tag}>: pages must not contain scripts, frames or inline styles"))
        loaded = element.get("href", "") + element.get("src", "")
        if element.tag in ("link", "img") and not re.match("/[^/]", loaded):
            found.append(Finding("link", f"pages must load nothing from elsewhere: {loaded[:60]}"))
    return found


def subject(line: str, html: str, locale: Locale) -> list[Finding]:
    """Returns all violations in the subject of an issue whose HTML part is `html`.

    The subject is compared with the <title> of the HTML, the uncut headline, to find a subject that was cut in the
    wrong place.
    """
    own, found = line.strip(RLM), []
    if line != bidi.subject(own, locale):
        found.append(Finding("subject", "the RLM that it needs at its start or end is missing"))
    if not 0 < len(own) <= headlines.LONGEST_SUBJECT:
        found.append(Finding("subject", f"{len(own)} characters; it must have at most {headlines.LONGEST_SUBJECT}"))
    if own.count("«") != own.count("»"):
        found.append(Finding("subject", "a quotation mark is open"))
    title = next(markup.read(html)[0].iter("title"), Element("title"))
    headline = " ".join(markup.text(title).split())
    if own not in (headline, headlines.subject(headline)):
        found.append(Finding("subject", f"neither the headline nor its first clauses: {own}"))
    return found


def _direction(tree: Element, body: Element, wrapper: Element, locale: Locale) -> Iterator[Finding]:
    """Checks that html, body and the wrapper all have language and direction, because mail programs drop some of these
    elements."""
    for name, element in (("html", next(tree.iter("html"), tree)), ("body", body), ("the wrapper", wrapper)):
        if (element.get("lang"), element.get("dir")) != (locale.code, locale.direction):
            yield Finding("direction", f"{name} lacks lang={locale.code} dir={locale.direction}")
    style = wrapper.get("style", "").replace(" ", "")
    if f"direction:{locale.direction}" not in style or f"text-align:{locale.start}" not in style:
        yield Finding("direction", "the wrapper's style says neither direction nor alignment")
    if wrapper.get("role") != "article" or not wrapper.get("aria-label", "").strip():
        yield Finding("article", "the wrapper lacks role=article or its aria-label")


def _tables(tree: Element, html: str, locale: Locale) -> Iterator[Finding]:
    hidden = re.findall(r"<!--\[if mso\]>(<table[^>]*>)", html)
    for table in [*tree.iter("table"), *(each for tag in hidden for each in markup.read(tag)[0])]:
        if table.get("role") != "presentation":
            yield Finding("table", "a layout table is not role=presentation")
        if table.get("dir") != locale.direction:
            yield Finding("table", f"a table lacks dir={locale.direction}, which gives the order of its cells")
        if [table.get(name) for name in ("border", "cellpadding", "cellspacing")] != ["0", "0", "0"]:
            yield Finding("table", "a table has gaps: border, cellpadding, cellspacing must be 0")


def _pictures(tree: Element) -> Iterator[Finding]:
    titles = {" ".join(markup.text(each).split()) for each in tree.iter() if each.tag in ("h2", "h3")}
    for picture in tree.iter("img"):
        source, alt = picture.get("src", ""), " ".join(picture.get("alt", "").split())
        if not alt:
            yield Finding("picture", f"{source} has no alt text")
        if any(len(each) >= _LEAST_HEADLINE and each in alt for each in titles):
            yield Finding("picture", f"the alt text of {source} repeats a headline, which is then read twice")
        if not re.fullmatch(r"[1-9][0-9]{0,2}", picture.get("width", "")):
            yield Finding("picture", f"{source} has no width, so Outlook shows it at its full size")
        if urlsplit(source).scheme not in ("https", "http"):
            yield Finding("picture", f"not a web address: {source}")
        if re.search(r"\.(svg|webp|avif)$", urlsplit(source).path, re.IGNORECASE):
            yield Finding("picture", f"Outlook cannot show {source}")


def _headings(tree: Element) -> Iterator[Finding]:
    levels = [int(each.tag[1]) for each in tree.iter() if re.fullmatch("h[1-6]", each.tag)]
    if levels.count(1) != 1 or levels[:1] != [1]:
        yield Finding("heading", "there must be one h1, before all others")
    if any(after > before + 1 for before, after in pairwise(levels)):
        yield Finding("heading", f"a level is skipped: {levels}")


def _links(tree: Element, html: str, text: str) -> Iterator[Finding]:
    for link in tree.iter("a"):
        address, words = link.get("href", ""), markup.text(link).strip()
        parts = urlsplit(address)
        if parts.scheme not in ("https", "http", "mailto") or not re.fullmatch(r"[!-~]+", address):
            yield Finding("link", f"not an address that works everywhere: {address[:60]}")
        elif parts.scheme != "mailto" and not parts.hostname:
            yield Finding("link", f"leads nowhere: {address}")
        if link.get("dir"):
            yield Finding("link", f"«{words}» has dir, which Outlook lays out wrong")
        if words.casefold().strip(" .…›»") in _VAGUE:
            yield Finding("link", f"«{words}» does not say where it leads")
        if not words and not any(picture.get("alt", "").strip() for picture in link.iter("img")):
            yield Finding("link", f"no text and no alt text: {address}")
    in_html = {link.get("href", "") for link in tree.iter("a")}
    missing = {line for line in text.split("\n") if re.fullmatch(r"https?://\S+", line)} - in_html
    for address in sorted(missing):
        yield Finding("parts", f"only in the text part: {address}")
    for address in sorted(in_html - set(text.split("\n"))):
        yield Finding("parts", f"not alone on a line of the text part: {address}")


def _preheader(wrapper: Element) -> Iterator[Finding]:
    first = next(iter(wrapper), Element("div"))
    style = first.get("style", "").replace(" ", "")
    if "display:none" not in style or "mso-hide:all" not in style:
        yield Finding("preheader", "it must be the first element, hidden with display:none and mso-hide:all")
    if "color:" in style:
        yield Finding("preheader", "it has a colour, which spam filters take for hidden text")
    if (length := len(markup.text(first).strip())) not in PREHEADER:
        yield Finding("preheader", f"{length} characters; it must have {PREHEADER[0]} to {PREHEADER[-1]}")


def _styles(tree: Element, html: str) -> Iterator[Finding]:
    kept = re.findall(r"<style[^>]*>(.*?)</style>", html, re.DOTALL)
    size = sum(len(style.encode()) for style in kept)
    if size > STYLE_BYTES:
        yield Finding("style", f"<style> has {size} bytes, more than Gmail keeps")
    if not any("prefers-color-scheme" in style for style in kept):
        yield Finding("style", "no colours for dark mode")
    for element in tree.iter():
        style = element.get("style", "")
        for part in filter(str.strip, style.split(";")):
            name = part.split(":")[0].strip().lower()
            if name not in PROPERTIES:
                yield Finding("style", f"{name} is not supported everywhere")
            if name == "display" and not re.fullmatch(r"display:\s*(none|block|inline-block|inline)\s*", part.strip()):
                yield Finding("style", f"{part.strip()} is not supported everywhere")
        if re.search(r"rgba?\(|hsla?\(|var\(|calc\(|url\(|!important", style):
            yield Finding("style", f"Gmail drops the whole style attribute because of a value in it: {style[:60]}")


def _tags(tree: Element) -> Iterator[Finding]:
    for element in tree.iter():
        if element.tag in _FORBIDDEN:
            yield Finding("tag", f"<{element.tag}> is dropped or refused by mail programs")
        if any(name.startswith("on") for name in element.attrib):
            yield Finding("tag", f"<{element.tag}> has an event handler")


def _sizes(html: str, text: str) -> Iterator[Finding]:
    if encoded(html) > HTML_BYTES:
        yield Finding("size", f"the HTML has {encoded(html)} bytes encoded; Gmail cuts it")
    if encoded(html) + encoded(text) > MAIL_BYTES:
        yield Finding("size", f"the mail has {encoded(html) + encoded(text)} bytes encoded")


def _characters(tree: Element, html: str, text: str) -> Iterator[Finding]:
    if found := _CONTROL.search(html + text):
        yield Finding("characters", f"U+{ord(found[0]):04X}: Gmail cuts a mail at control characters")
    elif char := min(filter(is_invisible, {*html}), default=""):
        yield Finding("characters", f"U+{ord(char):04X} in the HTML; use the attribute dir for direction")


def _text_part(text: str, locale: Locale) -> Iterator[Finding]:
    for line in text.split("\n"):
        if locale.rtl and bidi.has_rtl(line) and not re.fullmatch("\u200f\u202b.*\u202c", line):
            yield Finding("text", f"a line without its direction marks: {line[:40]}")
        if len(line) > _TEXT_LINE and "://" not in line:
            yield Finding("text", f"a line of {len(line)} characters: {line[:40]}")
        if "://" in line and not re.fullmatch(r"https?://[!-~]+", line):
            yield Finding("text", f"an address is not alone on its line: {line[:60]}")


def _spoken(tree: Element) -> list[str]:
    """Returns the texts of the attributes that screen readers read aloud."""
    return [element.get(name, "") for element in tree.iter() for name in ("alt", "title", "aria-label")]


def _order(tree: Element, text: str, locale: Locale) -> Iterator[Finding]:
    """Finds runs that a right-to-left line would show in the wrong order, and dots that would look like a digit."""
    if not locale.rtl:
        return
    for element in tree.iter():
        hidden = "display:none" in element.get("style", "").replace(" ", "")  # the preheader, a line of plain text
        if hidden or element.tag in ("title", "style", "script"):
            continue
        own = [] if element.get("dir") == "ltr" else [element.text]
        for words in filter(None, [*own, *(child.tail for child in element)]):
            if runs := bidi.runs(words):
                yield Finding("order", f"«{runs[0]}» needs <span dir=ltr>, or it is shown in the wrong order")
    if found := _DOT_BESIDE_DIGIT.search(f"{markup.text(tree)}\n{text}"):
        yield Finding("order", f"«{found[0]}»: the dot looks like the digit ۰ beside digits")


def _leftovers(html: str, text: str, words: str) -> Iterator[Finding]:
    if found := _LEFTOVER.search(words + text):
        yield Finding("leftover", f"left over from a template or the program: {found[0]!r}")
    if "\\u{" in html:
        yield Finding("leftover", "an escaped character in the HTML")


def _spelling(words: str, text: str, locale: Locale) -> Iterator[Finding]:
    if locale.code != "fa":
        return
    for name, said in (("HTML", words), ("text part", text)):
        if found := _NOT_PERSIAN.search(said):
            yield Finding("spelling", f"U+{ord(found[0]):04X} in the {name} is not a Persian letter or digit")
        if found := _LOST_ZWNJ.search(said):
            yield Finding("spelling", f"a half-space is missing in the {name}: «{found[0]}»")
        if found := _LATIN_NUMBER.search(LATIN_RUN.sub(" ", said)):
            yield Finding("spelling", f"Latin digits in the {name}: {found[0]}")
