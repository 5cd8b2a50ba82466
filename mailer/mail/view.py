"""Turns an issue into plain values for the templates.

Every text from outside is cleaned and shortened here. The package `choice` chooses and orders the stories. The
templates contain the markup.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import count
from typing import TypedDict
from urllib.parse import urlsplit

from mailer.mail import bidi, placeholders
from mailer.model import OTHER_NEWS, Block, BlockKind, BlockPlace, ChosenStory, Issue
from mailer.settings import Newsletter
from mailer.text import headlines
from mailer.text.calendar import long_date
from mailer.text.clean import clean, first_words, shorten
from mailer.text.links import loopback, story_picture, web_address, without_web_addresses
from mailer.text.locales import FA, Locale

# Maximum lengths of the texts: in words if the name ends with WORDS, and otherwise in characters.
SECTION_LENGTH = 40
TITLE_LENGTH = 180
LEAD_WORDS = 35
BRIEF_WORDS = 24  # for the lead of a story without a picture
LEAD_LENGTH = 400  # a second limit, because a lead without blanks counts as one word
_SENTENCE_ENDS = "….؟!?:؛-–— "
_LEAST_LEAD = 6  # the fewest words after a repeated title that are shown as the lead
CARD_EVERY = 4  # of every four stories in a section, the first may show its picture
ALSO = 2  # maximum number of further reports listed under a story
PREHEADER_LEAST, PREHEADER_BETTER, PREHEADER_MOST = 40, 90, 130
WORDS_A_MINUTE = 180
_NO_LINKS: Mapping[int, str] = {}


class StoryView(TypedDict):
    """A story as the templates show it.

    An empty `section`, `url` or `image` means that the story is shown without a label, link or picture. `alt` is never
    empty.
    """

    url: str
    title: str
    lead: str
    section: str
    image: str
    alt: str
    card: bool  # True if the story is shown with its picture at the side
    also: list[dict[str, str]]  # further reports, each with url, title and ref
    ref: str  # the number of the story's link in the text part, set by `_number_links`; "" without a link


class SectionView(TypedDict):
    name: str
    stories: list[StoryView]


class BlockView(TypedDict):
    """A block as the templates show it. The templates leave out empty values; `alt` is never empty."""

    label: str  # «تبلیغ» or «اصلاحیه», or "" for an announcement
    title: str
    paragraphs: list[str]
    url: str
    link_text: str
    image: str
    alt: str


def greeting(name: str, locale: Locale = FA) -> str:
    """Returns the value of the placeholder `greeting`: «سلام» or «سلام نرگس عزیز»."""
    name = shorten(clean(name), 60)
    return locale.say("سلام {name} عزیز", name=name) if name else locale.say("سلام")


def subject(stories: Sequence[ChosenStory], locale: Locale = FA) -> str:
    """Returns the subject: the first story's title as `headlines.subject` shortens it, or "" if there is no story.

    In right-to-left languages, `bidi.subject` adds RLM where it is needed.
    """
    return bidi.subject(headlines.subject(_first_title(stories, locale)), locale)


def headline(issue: Issue, locale: Locale = FA) -> str:
    """Returns the title of the issue for places with room: the editor's subject or, if there is none, the first story's
    title."""
    return clean(issue.edits.subject) or shorten(_first_title(issue.stories, locale), TITLE_LENGTH)


def _first_title(stories: Sequence[ChosenStory], locale: Locale) -> str:
    return locale.one_script(clean(min(stories, key=lambda story: story.position).title)) if stories else ""


def page_view(newsletter: Newsletter) -> dict[str, object]:
    """Returns the values that every page and mail needs: brand, title, site_url and postal_address (may be empty)."""
    return {
        "brand": clean(newsletter.name),
        "title": clean(newsletter.title),
        "site_url": web_address(newsletter.site_url or ""),
        "postal_address": clean(newsletter.postal_address),
    }


def issue_view(
    issue: Issue,
    newsletter: Newsletter,
    *,
    archive_url: str,
    locale: Locale = FA,
    most_read: Iterable[tuple[str, str]] = (),
    links: Mapping[int, str] = _NO_LINKS,
    preferences: bool = False,
) -> dict[str, object]:
    """Returns the values for `mail/issue.*`.

    The values are those of `page_view`, and: subject, headline (the uncut subject), number, date, preheader, greeting,
    intro, reading, hero (a StoryView or None), sections (a list of SectionView), blocks (lists of BlockView, keyed by
    place), middle (the number, counted from 1, of the section after which the blocks for the middle are shown),
    most_read (each with rank, url, title and section), archive_url, subscribe_url, replies (True if editors read
    replies), unsubscribe_url, preferences_url (empty unless `preferences` is True). `greeting`, `unsubscribe_url` and
    `preferences_url` are placeholders; all other values are final.

    The argument `archive_url` is the public address of this issue, the argument `most_read` has pairs of address and
    title, and `links` maps article ids to the addresses to which the mail links instead of the stories' own.
    """
    stories = _in_order(issue)
    hero = _story(stories[0], LEAD_WORDS, newsletter, locale, links) if stories else None
    sections = _by_section(stories[1:], newsletter, locale, links)
    shown = [*([hero] if hero else []), *(story for section in sections for story in section["stories"])]
    _number_links(shown, locale)
    return {
        **page_view(newsletter),
        "subject": clean(issue.subject) or clean(subject(stories, locale)) or clean(newsletter.title),
        "headline": headline(issue, locale) or clean(newsletter.title),
        "number": locale.number(issue.number) if issue.number is not None else "",
        "date": long_date(issue.day, newsletter.calendar, locale),
        "preheader": preheader(issue, newsletter, locale),
        "greeting": placeholders.named("greeting"),
        "intro": clean(issue.intro) or _intro(len(shown), locale),
        "reading": _reading(shown, clean(issue.intro), locale),
        "hero": hero,
        "sections": sections,
        "blocks": _by_place(issue.blocks, bool(sections), locale),
        "middle": (len(sections) + 1) // 2,
        "most_read": _ranked(most_read, locale),
        "archive_url": archive_url,
        "subscribe_url": f"{newsletter.base_url}/subscribe",
        "replies": newsletter.reply_to is not None,
        "unsubscribe_url": placeholders.named("unsubscribe_url"),
        "preferences_url": placeholders.named("preferences_url") if preferences else "",
    }


def _in_order(issue: Issue) -> list[ChosenStory]:
    return sorted(issue.stories, key=lambda story: story.position)


def picture_of(story: ChosenStory, newsletter: Newsletter) -> str:
    """Returns the address of a story's picture, or "" if there is no picture or its host is not the newsroom's."""
    base = urlsplit(newsletter.base_url)
    # Pictures may be loaded without TLS only from this machine, as in the demo and in trials.
    plain = base.scheme == "http" and loopback(base.hostname or "")
    ours = (newsletter.base_url, newsletter.site_url or "")
    return story_picture(story.image_url, story.url, ours, plain=plain)


def _story(
    story: ChosenStory,
    words: int,
    newsletter: Newsletter,
    locale: Locale,
    links: Mapping[int, str],
    card: bool = False,
) -> StoryView:
    title = locale.one_script(clean(story.title))
    if story.update:  # an earlier issue reported the event, and the event has developed since
        title = locale.say("به‌روزرسانی: {title}", title=title)
    title = shorten(title, TITLE_LENGTH)
    also = [
        {"url": web_address(url), "title": shorten(locale.one_script(clean(other)), 90)} for _, url, other in story.also
    ]
    return StoryView(
        url=links.get(story.article_id) or web_address(story.url),
        title=title,
        lead=shorten(first_words(locale.one_script(_lead(story)), words), LEAD_LENGTH),
        section=shorten(clean(story.section), SECTION_LENGTH) if story.section != OTHER_NEWS else "",
        image=picture_of(story, newsletter),
        alt=_alt(story, locale),
        card=card,
        also=[each for each in also if each["url"] and each["title"]][:ALSO],
        ref="",
    )


def _number_links(stories: Iterable[StoryView], locale: Locale) -> None:
    """Numbers the links of the stories and of their further reports from 1."""
    numbers = map(locale.number, count(1))
    for story in stories:
        story["ref"] = next(numbers) if story["url"] else ""
        for other in story["also"]:
            other["ref"] = next(numbers)


def _lead(story: ChosenStory) -> str:
    """Returns the lead without web addresses and without the title. Many feeds repeat the title at the start of the
    lead.

    Returns "" if the lead is only the beginning of the title, or if the lead begins with the title and no sentence of
    at least six words follows.
    """
    title, lead = clean(story.title), clean(without_web_addresses(clean(story.lead)))
    if title.startswith(lead.rstrip(_SENTENCE_ENDS)):
        return ""
    if not lead.startswith(title):
        return lead
    rest = lead.removeprefix(title)
    more = rest.lstrip(_SENTENCE_ENDS)
    return more if more != rest.lstrip() and len(more.split()) >= _LEAST_LEAD else ""


def _alt(story: ChosenStory, locale: Locale) -> str:
    """Returns the description of a story's picture, or «عکس خبر» if there is none.

    The description is never empty, because a screen reader needs it for a linked picture. Hiding the picture from
    screen readers instead is impossible, because Yahoo removes aria-hidden. The description never repeats the title,
    which is shown beside the picture.
    """
    given, title = clean(story.image_alt), clean(story.title)
    again = title in given or (given in title and len(given) > len(title) / 2)
    return locale.say("عکس خبر") if again or not given else shorten(given, 120)


def _by_section(
    stories: Iterable[ChosenStory], newsletter: Newsletter, locale: Locale, links: Mapping[int, str]
) -> list[SectionView]:
    """Groups the stories by section and leaves out empty sections.

    The sections in the settings come first, in the order of the settings. Unknown sections come next, in the order of
    their stories. The section OTHER_NEWS comes last.
    """
    found: dict[str, list[StoryView]] = {clean(name): [] for name in newsletter.sections.values()}
    others = found.pop(OTHER_NEWS, [])
    for story in stories:
        name = clean(story.section)
        section = others if name in ("", OTHER_NEWS) else found.setdefault(name, [])
        card = len(section) % CARD_EVERY == 0 and picture_of(story, newsletter) != ""
        section.append(_story(story, LEAD_WORDS if card else BRIEF_WORDS, newsletter, locale, links, card))
    return [
        SectionView(name=shorten(name, SECTION_LENGTH), stories=views)
        for name, views in [*found.items(), (locale.say(OTHER_NEWS), others)]
        if views
    ]


def _by_place(blocks: Iterable[Block], has_sections: bool, locale: Locale) -> dict[str, list[BlockView]]:
    """Groups the blocks by place, with a key for every place. If there are no sections, the blocks for the middle go to
    the end."""
    found: dict[str, list[BlockView]] = {str(place): [] for place in BlockPlace}
    for block in blocks:
        at_end = block.place is BlockPlace.MIDDLE and not has_sections
        found[BlockPlace.END if at_end else block.place].append(_block(block, locale))
    return found


def _block(block: Block, locale: Locale) -> BlockView:
    labels = {
        BlockKind.ANNOUNCEMENT: "",
        BlockKind.CORRECTION: locale.say("اصلاحیه"),
        BlockKind.SPONSOR: locale.say("تبلیغ"),
    }
    return BlockView(
        label=labels[block.kind],
        title=clean(block.title),
        paragraphs=[line for each in block.text.splitlines() if (line := clean(each))],
        url=web_address(block.url),
        link_text=clean(block.link_text),
        image=web_address(block.picture),
        alt=locale.say("تصویر"),
    )


def _ranked(found: Iterable[tuple[str, str]], locale: Locale) -> list[dict[str, str]]:
    """Numbers the most read stories from 1. Leaves out stories without a title or a usable address."""
    checked = [(web_address(url), shorten(clean(title), TITLE_LENGTH)) for url, title in found]
    kept = [(url, title) for url, title in checked if url and title]
    return [
        {"rank": locale.number(at), "url": url, "title": title, "section": ""}
        for at, (url, title) in enumerate(kept, start=1)
    ]


def _intro(stories: int, locale: Locale) -> str:
    return locale.say("{count} خبر مهم این هفته را برایتان برگزیده‌ایم.", count=stories)


def _reading(stories: Sequence[StoryView], intro: str, locale: Locale) -> str:
    words = sum(len(f"{story['title']} {story['lead']}".split()) for story in stories) + len(intro.split())
    minutes = max(1, round(words / WORDS_A_MINUTE))
    return locale.say("زمان خواندن: حدود {minutes} دقیقه.", minutes=minutes)


def preheader(issue: Issue, newsletter: Newsletter, locale: Locale = FA) -> str:
    """Returns the line that inboxes show after the subject, of 40 to 130 characters.

    The subject is the title of the first story. So the line has the titles of the second to fourth stories, and then
    more titles until it has 90 characters. If a title does not fit, its first whole clauses are used, or it is left
    out. A title is cut between words only if the line would otherwise have fewer than 90 characters. An editor's
    preheader comes first; if it has at least 40 characters, it is the whole line. A short line is not padded with
    blanks, because Apple Mail ignores the blanks and screen readers read them out.
    """
    line = shorten(clean(issue.preheader), PREHEADER_MOST)
    if len(line) >= PREHEADER_LEAST:
        return line
    titles = [locale.one_script(clean(story.title)) for story in _in_order(issue)]
    day = long_date(issue.day, newsletter.calendar, locale)
    name = shorten(f"{clean(newsletter.title)} {clean(newsletter.name)}", 60)
    closing = locale.say("{name}، {day}: مهم‌ترین خبرهای هفته به انتخاب تحریریه", name=name, day=day)
    left_out = []
    for at, piece in enumerate([*filter(None, titles[1:]), closing], start=2):
        if at > 4 and len(line) >= PREHEADER_BETTER:
            break
        before = f"{line}{locale.semicolon} " if line else ""
        if fitting := headlines.clauses(piece, PREHEADER_MOST - len(before)):
            line = before + fitting
        else:
            left_out.append(piece)
    if len(line) < PREHEADER_BETTER and left_out:
        before = f"{line}{locale.semicolon} " if line else ""
        cut = ((piece, headlines.words(piece, PREHEADER_MOST - len(before))) for piece in left_out)
        # A title that is cut before its denial would say the opposite.
        rest = next((short for piece, short in cut if headlines.keeps_denial(piece, short)), "")
        line = before + rest if rest else line
    return line
