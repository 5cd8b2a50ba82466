"""Decides what each column of a list means, from its heading and from all of its cells.

The column of addresses is found by its cells; headings only decide between columns with about as many addresses. If a
column may say who must not be mailed but is not understood, the import stops and asks for its meaning. docs/lists.md
has a table of the systems and their columns.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from mailer.model import SubscriberStatus
from mailer.sources.lists import words
from mailer.sources.lists.records import is_address
from mailer.sources.lists.words import Said
from mailer.text.search_key import key

_LONGEST_HEADING = 200  # only this many characters of a heading are compared
_LEFT, _BOUNCED, _COMPLAINED = SubscriberStatus.UNSUBSCRIBED, SubscriberStatus.BOUNCED, SubscriberStatus.COMPLAINED


class Meaning(StrEnum):
    """The meaning of a column. The values are the names that `--map` and the report use."""

    EMAIL = "email"
    NAME = "name"
    FIRST_NAME = "first-name"
    LAST_NAME = "last-name"
    SECTIONS = "sections"
    TAGS = "tags"  # only tags that are names of sections are used
    LIST = "list"
    STATUS = "status"
    LIST_STATUS = "list-status"  # the person's status in a single list
    CONSENT = "consent"
    SOURCE = "source"
    REASON = "reason"  # why a person left; another column says whether the person left
    UNSUBSCRIBED = "unsubscribed"  # a date or "yes" means that the person left; so does any other text if `Column.sure`
    BOUNCED = "bounced"
    COMPLAINED = "complained"
    SUBSCRIBED = "subscribed"  # "no" means that the person left
    CONFIRMED = "confirmed"  # "no" means that the person never confirmed
    IGNORED = "ignored"


LEAVING = {Meaning.UNSUBSCRIBED: _LEFT, Meaning.BOUNCED: _BOUNCED, Meaning.COMPLAINED: _COMPLAINED}
# The meanings of columns that can say that a person must not be mailed.
DECISIVE = frozenset((*LEAVING, Meaning.STATUS, Meaning.LIST_STATUS, Meaning.SUBSCRIBED, Meaning.CONFIRMED))


_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def heading_key(heading: str) -> str:
    """Return the key by which headings are compared. "unsubscribedAt" and "Unsubscribed at" have the same key."""
    return key(_HUMP.sub(" ", heading[:_LONGEST_HEADING]))


def _keys(text: str) -> tuple[str, ...]:
    return tuple(key(name) for name in text.split("|"))


# --- headings that are known word for word, the plainest first -------------------------------------------------------
_EMAIL = _keys(
    "email|email address|e-mail|e-mail address|emailaddress|mail|ایمیل|آدرس ایمیل|نشانی ایمیل|پست الکترونیک"
    "|پست الکترونیکی|آدرس پست الکترونیک|آدرس پست الکترونیکی|نشانی پست الکترونیکی|رایانامه|نشانی رایانامه|ایمیل کاربر"
    "|ایمیل مشترک|البريد الإلكتروني|عنوان البريد الإلكتروني|بريد إلكتروني|الإيميل|דואר אלקטרוני|אימייל|e-posta"
    "|e-mail-adresse|e-mail 1 - value|user email|subscriber email|contact email|subscriber|subscribed addresses"
    "|mailbox"
)
_NAMED: dict[Meaning, tuple[str, ...]] = {
    Meaning.NAME: _keys(
        "name|full name|fullname|display name|displayname|subscriber name|contact name|نام|نام و نام خانوادگی"
        "|نام کامل|اسم|نام کاربر|نام مشترک|الاسم|الاسم الكامل|שם|שם מלא|nickname|realname|real name|gecos"
    ),
    Meaning.FIRST_NAME: _keys("first name|firstname|given name|fname|forename|first|نام کوچک|الاسم الأول|שם פרטי"),
    Meaning.LAST_NAME: _keys(
        "last name|lastname|surname|family name|lname|last|نام خانوادگی|فامیل|فامیلی|شهرت|اسم العائلة|الكنية|اللقب"
        "|שם משפחה"
    ),
    Meaning.SECTIONS: _keys("sections|section|بخش|بخش‌ها"),
    Meaning.TAGS: _keys(
        "tags|tag|labels|label|group membership|groups|interests|topics|categories|segments|segment|برچسب|برچسب‌ها"
        "|گروه|گروه‌ها|موضوع‌ها|علاقه‌مندی‌ها|tag names"
    ),
    Meaning.LIST: _keys(
        "list|lists|list name|list names|list membership|email lists|mailing list|mailing lists|subscribed lists"
        "|audience|newsletters|newsletter|newsletter name|خبرنامه|فهرست|لیست|لیست‌ها|خبرنامه‌ها|القائمة|القوائم"
    ),
    Meaning.CONSENT: _keys(
        "confirm time|confirmed at|confirmation time|confirmation date|confirm date|optin time|opt in time"
        "|opt in date|opted in at|optin date|opt in timestamp|consent date|consent at|consent|subscribed at"
        "|subscribed on|subscribe date|date subscribed|subscription date|subscription time|subscribed since"
        "|subscribed date|since|date joined|joined|joined at|join date|signup date|sign up date|signed up"
        "|signed up at|signup time|added at|added time|added on|date added|added|added_time|dateadded|entered"
        "|created at|created|created on|created date|create date|date created|created time|created utc|creation date"
        "|creation time|registration date|registered at|registered|start date|subscribed|date|timestamp|تاریخ عضویت"
        "|زمان عضویت|تاریخ تأیید|تاریخ تایید|تاریخ ثبت نام|تاریخ ثبت|تاریخ|تاريخ الاشتراك|تاريخ الإضافة|התאריך"
    ),
    Meaning.SOURCE: _keys("source|signup source|sign up source|subscription source|optin source|منبع|المصدر"),
    Meaning.REASON: _keys(
        "unsub reason|unsub reason other|unsub campaign title|clean campaign title|reason|علت|دلیل|علت لغو|دلیل لغو"
        "|السبب"
    ),
}
_ADDRESS_LIKE = _keys("address|نشانی|آدرس|contact|عنوان")  # headings that usually mean a postal address
# Headings that look like an opt-out but are not. _HARMLESS has whole headings; the patterns match a part of a heading.
_HARMLESS = frozenset(
    _keys(
        "active subscription|marital status|order status|payment status|financial status|fulfillment status"
        "|lead status|stripe status|http status|complimentary plan|last changed|cancel date|status message|spam score"
        "|وضعیت تأهل|وضعیت تاهل|number of bounces on this subscriber|number of bounces"
        "|did this subscriber manually confirm|did this user manually confirm|number of bounces on this user"
    )
)
_HARMLESS_PART = re.compile(
    r"\b(?:ids?|ip|url|link|links|token|hash|uuid|count|counts|number|total|rate|percent|score|campaigns?|user agent)\b"
)
_OTHER_CHANNEL = re.compile(
    r"\b(?:sms|calls?|phone|mobile|whatsapp|telegram|push|fax|postal|پیامک|تلفن|موبایل|تلگرام)\b"
)
_REASON_PART = re.compile(
    r"\b(?:reason|title|detail|details|comment|comments|message|note|notes|source|علت|دلیل|سبب)\b"
)

# The patterns below match keys, which are in lower case, without punctuation and without the marks on Persian letters.
# --- headings that look like an opt-out ------------------------------------------------------------------------------
_LEAVING_PARTS: tuple[tuple[re.Pattern[str], Meaning], ...] = (
    (
        re.compile(r"complain|spam|\babuse|\bjunk|شکایت|هرزنامه|اسپم|شکوی"),
        Meaning.COMPLAINED,
    ),
    (
        re.compile(r"bounc|\bclean(?:ed)?\b|undeliver|\binvalid\b|برگشت|نامعتبر|مرتد"),
        Meaning.BOUNCED,
    ),
    (
        re.compile(
            r"unsub|un subscri|\bopt(?:ed)? ?out|\bdisab|\bdeactiv|\binactive|\bdelet|\bremov|\btrash|\barchiv"
            r"|black ?list|block ?list|\bblocked\b|\bbanned|suppress|\bdnc\b|\bdo not|\bdonot|\bdont\b|\bdon t\b"
            r"|\bno ?(?:e ?)?mails?\b|\bwithdr|\brevok|\bleft\b|\bexcluded|\bexclusion"
            r"|لغو|انصراف|حذف|مسدود|غیرفعال|غیر فعال|خروج|\bبلاک|\bترک|الغا|ملغ|محذوف|محظور|הסר|ביטול"
        ),
        Meaning.UNSUBSCRIBED,
    ),
)
_STATUS_PART = re.compile(r"\bstatus(?:es)?\b|وضعیت|\b(?:ال)?حاله\b|סטטוס")
# Columns with these headings are a status only if their cells are statuses. For example, "state" may also be a part of
# a postal address.
_MAYBE_STATUS = frozenset(
    _keys(
        "state|subscriber state|subscription|email subscription|subscription state|email preference|preference|type"
        "|subscriber type|subscription type|membership|role|delivery|delivery mode|permission|حالت|نوع|عضویت"
    )
)
_CONFIRMED_PART = re.compile(r"confirm|verif|\bactivated\b|double opt|تایید|موکد")
_SUBSCRIBED_PART = re.compile(
    r"subscri|^(?:is |user |account |contact |email |mail )?(?:active|enabled)\b|\bopt(?:ed)? ?in\b|\baccept|\ballow"
    r"|^(?:is |email )?(?:valid|deliverable)\b"
    r"|\breceiv|newsletter|marketing|\bpermission|\bconsent|\bmailable|\bsendable|فعال|عضو|مشترک|خبرنامه|رضایت|نشط"
)

HEADINGS = frozenset({*_EMAIL, *(name for names in _NAMED.values() for name in names), "status", key("وضعیت")})
_RANKS = {name: (meaning, rank) for meaning, names in _NAMED.items() for rank, name in enumerate(names)}
_EMAIL_RANKS = {name: rank for rank, name in enumerate(_EMAIL)}
_EMAIL_PART = re.compile(r"\be ?mail|\bmail\b|ایمیل|رایانامه|پست الکترونیک|برید|e posta|correo|courriel|מייל|דוא")
_OTHER_PERSON = re.compile(r"owner|referr|manager|assistant|second|altern|other|\b[2-9]\b|invited by|دوم|معرف")


_LOOSE, _POSTAL, _UNKNOWN, _OTHERS = 200, 300, 400, 500  # ranks of headings that are not in _EMAIL


def email_rank(heading: str) -> int:
    """Return a rank for a heading: 0 is the clearest name for the person's address. `heading` is a key."""
    if heading in _EMAIL_RANKS:
        return _EMAIL_RANKS[heading]
    if _OTHER_PERSON.search(heading):
        return _OTHERS
    if _EMAIL_PART.search(heading):
        return _LOOSE
    return _POSTAL if heading in _ADDRESS_LIKE else _UNKNOWN


def is_email_heading(heading: str) -> bool:
    """Return True if a heading may be that of the column of addresses. `heading` is a key."""
    return email_rank(heading) <= _POSTAL


def is_known(heading: str) -> bool:
    """Return True if a cell with this key is probably a heading."""
    return heading in HEADINGS or email_rank(heading) <= _POSTAL or leaving_meaning(heading) is not None


def leaving_meaning(heading: str) -> Meaning | None:
    """Return the meaning of a heading that looks like an opt-out, or None for any other. `heading` is a key."""
    return next((meaning for pattern, meaning in _LEAVING_PARTS if pattern.search(heading)), None)


def looks_like_opt_out(heading: str) -> bool:
    """Return True if a column with this heading may say who must not be mailed. `heading` is a key."""
    return leaving_meaning(heading) is not None or bool(_STATUS_PART.search(heading))


# --- what is in the columns ------------------------------------------------------------------------------------------
_MOST_VALUES = 200  # only this many different values of a column are counted separately
_LONGEST_VALUE = 100  # only this many characters of a cell are examined


@dataclass(slots=True)
class Seen:
    """Counts the cells of one column by their content."""

    filled: int = 0
    addresses: int = 0
    values: Counter[str] = field(default_factory=Counter)  # the first _MOST_VALUES different values, with counts
    more: int = 0  # number of cells with any other value
    flags: Counter[Said] = field(default_factory=Counter)  # number of cells of each kind, as `words.flag` returns it
    statuses: int = 0  # number of cells that `words.status` understands
    leaving: int = 0  # number of cells with a word that means "do not mail"
    classified: bool = False  # True if `flags`, `statuses` and `leaving` are counted for this column

    def add(self, cell: str) -> None:
        """Count one cell that is not empty."""
        self.filled += 1
        if "@" in cell and is_address(cell):
            self.addresses += 1
        value = cell[:_LONGEST_VALUE]
        if value in self.values or len(self.values) < _MOST_VALUES:
            self.values[value] += 1
        else:
            self.more += 1
        if self.classified:
            self._classify(cell[:_LONGEST_VALUE])

    def _classify(self, cell: str) -> None:
        said = words.flag(cell)
        self.flags[said.kind] += 1
        if said.kind is not Said.NOTHING and words.status(cell, True):
            self.statuses += 1
        if said.status in (_LEFT, _BOUNCED, _COMPLAINED):
            self.leaving += 1

    def shown(self, most: int = 6) -> str:
        """Return the most common values with their counts."""
        common = self.values.most_common(most)
        rest = self.filled - sum(count for _, count in common)
        texts = [f"{value[:40]!r} ({count:,})" for value, count in common]
        return ", ".join([*texts, f"others ({rest:,})"] if rest > 0 else texts)


def is_interesting(heading: str) -> bool:
    """Return True if the cells of a column with this heading must be classified. `heading` is a key."""
    known = _RANKS.get(heading)
    if known and known[0] not in (Meaning.CONSENT, Meaning.LIST):
        return False
    patterns = (_STATUS_PART, _CONFIRMED_PART, _SUBSCRIBED_PART)
    return (
        leaving_meaning(heading) is not None
        or heading in _MAYBE_STATUS
        or any(pattern.search(heading) for pattern in patterns)
    )


# --- the decision ----------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Column:
    """A column with its meaning."""

    place: int
    heading: str
    meaning: Meaning
    sure: bool = False  # for a meaning in LEAVING: True if any text in a cell means that the person left
    blank_is_no: bool = False  # True if some cells say "yes", so that an empty cell counts as "not confirmed"


@dataclass(frozen=True, slots=True)
class Undecided:
    """A column that may say who must not be mailed, but whose meaning is not understood."""

    heading: str
    values: str  # the most common values with their counts


@dataclass(frozen=True, slots=True)
class Decision:
    """The meanings of all columns."""

    columns: tuple[Column, ...]
    undecided: tuple[Undecided, ...]
    codes: bool  # True if statuses may be codes of the WordPress plugin Newsletter

    def of(self, *meanings: Meaning) -> list[Column]:
        """Return the columns with one of these meanings, those with the clearest headings first."""
        found = [each for each in self.columns if each.meaning in meanings]
        return sorted(found, key=lambda each: (_RANKS.get(heading_key(each.heading), (None, 99))[1], each.place))


def decide(headings: Sequence[str], seen: Sequence[Seen], given: Mapping[int, Meaning]) -> Decision:
    """Decide the meanings of the columns. `given` has the meanings that an admin gave with `--map`, by column."""
    names = [heading_key(heading) for heading in headings]
    email = next((place for place, meaning in given.items() if meaning is Meaning.EMAIL), None)
    if email is None:
        email = _email_place(names, seen, given)
    codes = _has_codes(names, seen)
    columns: list[Column] = []
    undecided: list[Undecided] = []
    for place, (heading, name) in enumerate(zip(headings, names, strict=True)):
        if place == email:
            columns.append(Column(place, heading, Meaning.EMAIL))
        elif place in given:
            columns.append(Column(place, heading, given[place], sure=True))
        else:
            meaning, understood = _meaning(name, seen[place], codes)
            if not understood:
                undecided.append(Undecided(heading, seen[place].shown()))
            flags = seen[place].flags
            columns.append(Column(place, heading, meaning, blank_is_no=flags[Said.YES] > 0))
    return Decision(tuple(_settled(columns, names, seen)), tuple(undecided), codes)


def _email_place(names: Sequence[str], seen: Sequence[Seen], given: Mapping[int, Meaning]) -> int | None:
    """Return the place of the column of addresses, or None if there is none."""
    free = [place for place in range(len(names)) if place not in given]
    full = [place for place in free if seen[place].addresses * 2 >= seen[place].filled > 0]
    if not full:  # no column contains mostly addresses; perhaps all addresses are invalid
        full = [place for place in free if email_rank(names[place]) < _POSTAL]
        full = full or [place for place in free if seen[place].addresses]
    most = max((seen[place].addresses for place in full if email_rank(names[place]) < _OTHERS), default=0)
    full = [place for place in full if seen[place].addresses * 2 >= most]
    return min(full, key=lambda place: _preference(names[place], seen[place].addresses), default=None)


def _preference(name: str, addresses: int) -> tuple[int, int, int]:
    """Return a sort key for columns with about as many addresses: clear headings first, those of other people last."""
    rank = email_rank(name)
    return (0 if rank < _LOOSE else 1 if rank < _OTHERS else 2), -addresses, rank


def _has_codes(names: Sequence[str], seen: Sequence[Seen]) -> bool:
    """Return True if the file seems to be from the WordPress plugin Newsletter, so that its status codes apply."""
    if {"surname", "sex"} & set(names) or "token" in names:
        return True
    return any(
        _STATUS_PART.search(name) and "C" in seen[place].values and set(seen[place].values) <= set("CSUBP")
        for place, name in enumerate(names)
    )


def _meaning(name: str, seen: Seen, codes: bool) -> tuple[Meaning, bool]:
    """Return the meaning of a column, and a flag.

    The flag is False if the column may say who must not be mailed, but is not understood. It is True otherwise.
    """
    if not seen.filled or name in _HARMLESS or _OTHER_CHANNEL.search(name):
        return Meaning.IGNORED, True
    if not seen.classified:
        return _plain_meaning(name, seen)
    said = seen.filled - seen.flags[Said.NOTHING]
    if _STATUS_PART.search(name):
        return _status_meaning(name, seen, codes)
    if name in _MAYBE_STATUS:
        return (Meaning.STATUS, True) if seen.statuses * 10 >= said * 9 > 0 else (Meaning.IGNORED, True)
    leaving = leaving_meaning(name)
    if leaving is not None:
        return _leaving_meaning(name, seen, leaving)
    only_flags = said > 0 and seen.flags[Said.TEXT] == 0 and seen.flags[Said.DATE] == 0
    if only_flags:
        return (Meaning.CONFIRMED if _CONFIRMED_PART.search(name) else Meaning.SUBSCRIBED), True
    return _plain_meaning(name, seen)


def _plain_meaning(name: str, seen: Seen) -> tuple[Meaning, bool]:
    """Return what `_meaning` returns, for a column whose heading does not look like an opt-out."""
    known = _RANKS.get(name)
    if known is not None and known[0] is Meaning.CONSENT and seen.classified and not seen.flags[Said.DATE]:
        return Meaning.IGNORED, True  # the column has the text to which people agreed, not the date
    if known is not None:
        return known[0], True
    # Words such as "unsubscribed" must not be overlooked, even if the heading is unknown or missing.
    telling = sum(count for value, count in seen.values.items() if _tells(value))
    if telling and not seen.more and all(words.status(value) for value in seen.values):
        return Meaning.IGNORED, False
    return Meaning.IGNORED, True


def _tells(value: str) -> bool:
    """Return True if the value is a word that means "do not mail" in any column."""
    return words.STATUSES.get(key(value)) in (_LEFT, _BOUNCED, _COMPLAINED)


def _status_meaning(name: str, seen: Seen, codes: bool) -> tuple[Meaning, bool]:
    understood = sum(
        count for value, count in seen.values.items() if words.is_nothing(value) or words.status(value, codes)
    )
    if seen.flags[Said.DATE] and seen.flags[Said.DATE] + seen.flags[Said.NOTHING] == seen.filled:
        return Meaning.IGNORED, True  # the column says when the status was changed
    if understood * 2 < seen.filled or understood == 0:
        return Meaning.IGNORED, False
    return (Meaning.LIST_STATUS if name.startswith("list ") else Meaning.STATUS), True


def _leaving_meaning(name: str, seen: Seen, leaving: Meaning) -> tuple[Meaning, bool]:
    if _HARMLESS_PART.search(name):
        return Meaning.IGNORED, True
    if _REASON_PART.search(name):
        return Meaning.REASON, True
    if seen.flags[Said.TEXT] == 0:
        return leaving, True
    counts = all(value.isdecimal() for value in seen.values if words.flag(value).kind is Said.TEXT)
    if counts and leaving is Meaning.BOUNCED:  # the cells are numbers of bounces, as in most systems
        return Meaning.IGNORED, True
    return Meaning.IGNORED, False


def _settled(columns: Iterable[Column], names: Sequence[str], seen: Sequence[Seen]) -> list[Column]:
    """Return the columns with their final meanings, which may depend on the other columns.

    A column of reasons says who left if no other column does. If there is a column of last names but none of first
    names, the column of names is taken as first names.
    """
    settled = list(columns)
    there = {each.meaning for each in settled}
    for each in list(settled):
        if each.meaning is Meaning.REASON and each.heading and not each.sure:
            leaving = leaving_meaning(names[each.place])
            if leaving and leaving not in there and not there & {Meaning.STATUS}:
                settled[each.place] = Column(each.place, each.heading, leaving, sure=True)
        elif each.meaning is Meaning.NAME and Meaning.LAST_NAME in there and Meaning.FIRST_NAME not in there:
            settled[each.place] = Column(each.place, each.heading, Meaning.FIRST_NAME)
    return settled
