"""Decides what each column of a list means, from its heading and from all of its cells.

The column of addresses is found by its cells. Headings decide only between columns with similar numbers of addresses.
If a column may say who must not be mailed but is not understood, the import stops and asks for its meaning.
docs/lists.md has a table of the systems and their columns.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from mailer.model import SubscriberStatus
from mailer.sources.lists import headings as known
from mailer.sources.lists import words
from mailer.sources.lists.headings import Meaning, heading_key
from mailer.sources.lists.records import is_address, quoted
from mailer.sources.lists.words import Said
from mailer.text.search_key import bare_key

_LEFT, _BOUNCED, _COMPLAINED = SubscriberStatus.UNSUBSCRIBED, SubscriberStatus.BOUNCED, SubscriberStatus.COMPLAINED


LEAVING = {Meaning.UNSUBSCRIBED: _LEFT, Meaning.BOUNCED: _BOUNCED, Meaning.COMPLAINED: _COMPLAINED}
# The meanings of columns that can say that a person must not be mailed.
DECISIVE = frozenset((*LEAVING, Meaning.STATUS, Meaning.LIST_STATUS, Meaning.SUBSCRIBED, Meaning.CONFIRMED))


# --- what is in the columns ------------------------------------------------------------------------------------------
_MOST_VALUES = 200  # only this many different values of a column are counted separately
_CELLS_AT_ONCE = 1000  # number of cells that are examined together
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
    telling: str = ""  # a cell that says that its person left, in a column whose heading is not known
    watched: bool = False  # True if `telling` is searched for in this column
    _unread: list[str] = field(default_factory=list)  # cells that are not examined yet

    def add(self, cell: str) -> None:
        """Count one cell that is not empty."""
        self.filled += 1
        if "@" in cell and is_address(cell):
            self.addresses += 1
        value = cell[:_LONGEST_VALUE]
        if value in self.values:
            self.values[value] += 1
        else:
            if len(self.values) < _MOST_VALUES:
                self.values[value] = 1
            else:
                self.more += 1
            if self.watched:
                self._unread.append(cell)
                if len(self._unread) == _CELLS_AT_ONCE:
                    self.examine()
        if self.classified:
            self._classify(value)

    def examine(self) -> None:
        """Examine the cells that were not examined yet. Must be called after the last cell."""
        self.telling = self.telling or words.tells_of_leaving(self._unread)
        self._unread.clear()

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
        texts = [f"{quoted(value[:40])} ({count:,})" for value, count in common]
        return ", ".join([*texts, f"others ({rest:,})"] if rest > 0 else texts)


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
        return sorted(found, key=lambda each: (known.RANKS.get(heading_key(each.heading), (None, 99))[1], each.place))


def decide(headings: Sequence[str], seen: Sequence[Seen], given: Mapping[int, Meaning], rows: int) -> Decision:
    """Decide the meanings of the columns.

    `given` has the meanings that an admin gave with `--map`, by column. `rows` is the number of rows of the list.
    """
    names = [heading_key(heading) for heading in headings]
    email = next((place for place, meaning in given.items() if meaning is Meaning.EMAIL), None)
    if email is None:
        email = _email_place(names, seen, given)
    codes = _has_codes(names, seen)
    columns: list[Column] = []
    unclear: set[int] = set()
    for place, (heading, name) in enumerate(zip(headings, names, strict=True)):
        if place == email:
            columns.append(Column(place, heading, Meaning.EMAIL))
        elif place in given:
            columns.append(Column(place, heading, given[place], sure=True))
        else:
            meaning, understood = _meaning(name, seen[place], codes)
            if not understood:
                unclear.add(place)
            flags = seen[place].flags
            columns.append(Column(place, heading, meaning, blank_is_no=flags[Said.YES] > 0))
    settled = _settled(columns, names, seen)
    unclear |= _unexplained(settled, names, seen, codes, rows) - set(given)
    undecided = tuple(Undecided(headings[place], seen[place].shown()) for place in sorted(unclear))
    return Decision(tuple(settled), undecided, codes)


def _email_place(names: Sequence[str], seen: Sequence[Seen], given: Mapping[int, Meaning]) -> int | None:
    """Return the place of the column of addresses, or None if there is none."""
    free = [place for place in range(len(names)) if place not in given]
    full = [place for place in free if seen[place].addresses * 2 >= seen[place].filled > 0]
    if not full:  # no column contains mostly addresses; perhaps all addresses are invalid
        full = [place for place in free if known.email_rank(names[place]) < known.POSTAL]
        full = full or [place for place in free if seen[place].addresses]
    most = max((seen[place].addresses for place in full if known.email_rank(names[place]) < known.OTHERS), default=0)
    full = [place for place in full if seen[place].addresses * 2 >= most]
    return min(full, key=lambda place: _preference(names[place], seen[place].addresses), default=None)


def _preference(name: str, addresses: int) -> tuple[int, int, int]:
    """Return a sort key for possible columns of addresses: clear headings first, addresses of other people last."""
    rank = known.email_rank(name)
    return (0 if rank < known.LOOSE else 1 if rank < known.OTHERS else 2), -addresses, rank


def _has_codes(names: Sequence[str], seen: Sequence[Seen]) -> bool:
    """Return True if the file seems to be from the WordPress plugin Newsletter, so that its status codes apply."""
    if {"surname", "sex"} & set(names) or "token" in names:
        return True
    return any(
        known.STATUS_PART.search(name) and "C" in seen[place].values and set(seen[place].values) <= set("CSUBP")
        for place, name in enumerate(names)
    )


def _meaning(name: str, seen: Seen, codes: bool) -> tuple[Meaning, bool]:
    """Return the meaning of a column, and a flag.

    The flag is False if the column may say who must not be mailed, but is not understood. It is True otherwise.
    """
    if not seen.filled or name in known.HARMLESS or known.OTHER_CHANNEL.search(name):
        return Meaning.IGNORED, True
    if not seen.classified:
        return _plain_meaning(name, seen)
    said = seen.filled - seen.flags[Said.NOTHING]
    if known.STATUS_PART.search(name):
        return _status_meaning(name, seen, codes)
    if name in known.MAYBE_STATUS:
        return (Meaning.STATUS, True) if seen.statuses * 10 >= said * 9 > 0 else (Meaning.IGNORED, True)
    leaving = known.leaving_meaning(name)
    if leaving is not None:
        return _leaving_meaning(name, seen, leaving)
    yes_or_no = seen.flags[Said.YES] + seen.flags[Said.NO]
    if said > 0 and seen.flags[Said.TEXT] == 0 and seen.flags[Said.DATE] == 0:
        return (Meaning.CONFIRMED if known.CONFIRMED_PART.search(name) else Meaning.SUBSCRIBED), True
    if yes_or_no * 2 >= said and seen.flags[Said.NO] + seen.leaving > 0:
        return Meaning.IGNORED, False  # some cells say no, and others are not understood
    return _plain_meaning(name, seen)


def _plain_meaning(name: str, seen: Seen) -> tuple[Meaning, bool]:
    """Return what `_meaning` returns, for a column whose heading does not look like an opt-out."""
    there = known.RANKS.get(name)
    if there is not None and there[0] is Meaning.CONSENT and seen.classified and not seen.flags[Said.DATE]:
        return Meaning.IGNORED, True  # the column has the text to which people agreed, not the date
    if there is not None:
        return there[0], True
    if seen.telling:
        return Meaning.IGNORED, False
    # Words such as "unsubscribed" must not be overlooked, even if the heading is unknown or missing.
    if not seen.more and any(map(_tells, seen.values)) and all(words.status(value) for value in seen.values):
        return Meaning.IGNORED, False
    return Meaning.IGNORED, True


def _tells(value: str) -> bool:
    """Return True if the value is a word that means "do not mail" in any column."""
    return words.STATUSES.get(bare_key(value)) in (_LEFT, _BOUNCED, _COMPLAINED)


def _status_meaning(name: str, seen: Seen, codes: bool) -> tuple[Meaning, bool]:
    understood = sum(
        count for value, count in seen.values.items() if words.is_blank(value) or words.status(value, codes)
    )
    if seen.flags[Said.DATE] and seen.flags[Said.DATE] + seen.flags[Said.NOTHING] == seen.filled:
        return Meaning.IGNORED, True  # the column says when the status was changed
    if understood * 2 < seen.filled or understood == 0:
        return Meaning.IGNORED, False
    return (Meaning.LIST_STATUS if name.startswith(("list ", "lists ")) else Meaning.STATUS), True


def _leaving_meaning(name: str, seen: Seen, leaving: Meaning) -> tuple[Meaning, bool]:
    if known.HARMLESS_PART.search(name):
        return Meaning.IGNORED, True
    if known.REASON_PART.search(name):
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
            leaving = known.leaving_meaning(names[each.place])
            if leaving and leaving not in there and not there & {Meaning.STATUS}:
                settled[each.place] = Column(each.place, each.heading, leaving, sure=True)
        elif each.meaning is Meaning.NAME and Meaning.LAST_NAME in there and Meaning.FIRST_NAME not in there:
            settled[each.place] = Column(each.place, each.heading, Meaning.FIRST_NAME)
    return settled


# --- columns that nothing explains -----------------------------------------------------------------------------------
_LETTERS = ("ns", "jn", "no", "eh", "дн", "ft")  # yes and no in one character each, in several languages
_MARKS = frozenset("*+•●#")  # people mark some rows of a list with these
_MOST_STATUSES = 6  # a column with more different values has no statuses
_SHORTEST_STATUS = 4  # characters
_LONGEST_NEGATION = 8  # characters before a status that turn it into its opposite, as in «غیرفعال» and "inactive"
_NEARLY_ALL = 0.9  # the share of rows; a column with dates in so many rows does not give dates of leaving


def _unexplained(
    columns: Sequence[Column], names: Sequence[str], seen: Sequence[Seen], codes: bool, rows: int
) -> set[int]:
    """Return the columns whose cells look as if they said who left, or none if another column says who left.

    This finds opt-outs whose headings are in an unknown language. A column that says why people left is also returned,
    if there is no column for who left.
    """
    if any(_says_who_left(each, seen[each.place], codes) for each in columns):
        return set()
    decisive = any(each.meaning in DECISIVE for each in columns)
    return {
        each.place
        for each in columns
        if (each.meaning is Meaning.REASON and not decisive)
        or (
            each.meaning is Meaning.IGNORED
            and _is_unknown(names[each.place])
            and _may_say_who_left(seen[each.place], rows, headed=bool(each.heading))
        )
    }


def _says_who_left(column: Column, seen: Seen, codes: bool) -> bool:
    """Return True if the column is understood and marks at least one person as having left."""
    if column.meaning in (Meaning.STATUS, Meaning.LIST_STATUS):
        return any(words.status(value, codes) is _LEFT for value in seen.values)
    if column.meaning in (Meaning.UNSUBSCRIBED, Meaning.SUBSCRIBED) and column.sure:
        return True
    if column.meaning is Meaning.UNSUBSCRIBED:
        return seen.flags[Said.YES] + seen.flags[Said.DATE] + seen.leaving > 0
    return column.meaning is Meaning.SUBSCRIBED and seen.flags[Said.NO] + seen.leaving > 0


def _is_unknown(name: str) -> bool:
    """Return True if this heading, a key, does not show what the column is about."""
    if name in known.HARMLESS or known.OTHER_CHANNEL.search(name) or known.is_of_another_subject(name):
        return False
    return name in known.MAYBE_STATUS or not (name in known.RANKS or known.is_interesting(name))


def _may_say_who_left(seen: Seen, rows: int, *, headed: bool) -> bool:
    """Return True if the cells of a column look like an opt-out.

    They do if they are yes and no, if only some rows have a mark or a date, or if they are a few words and one of them
    means "do not mail" or is the opposite of another.
    """
    flags = {value: words.flag(value) for value in seen.values if not words.is_nothing(value)}
    filled = sum(seen.values[value] for value in flags)
    if not flags:
        return False
    if all(_is_date(value, flag) for value, flag in flags.items()):
        return filled + seen.more < _NEARLY_ALL * rows
    if seen.more:
        return False
    kinds = {flag.kind for flag in flags.values()}
    if kinds <= {Said.YES, Said.NO} or set(flags) <= _MARKS:
        if not headed and set(flags) == {"x"}:  # people fill an unused column with it
            return False
        return len(kinds) > 1 or filled < rows
    texts = {bare_key(value) for value in flags}
    if "".join(sorted(texts)) in _LETTERS or any(_tells(text) and _is_plain(text) for text in texts):
        return True
    return len(texts) <= _MOST_STATUSES and any(_is_opposite(one, other) for one in texts for other in texts)


def _is_date(value: str, flag: words.Flag) -> bool:
    return flag.kind is Said.DATE and not value.isdecimal() and words.is_date(value)


def _is_plain(word: str) -> bool:
    """Return True if a status word means in any column that a person left: not "left" (a hand) or "hard" (a task)."""
    return word != "left" and known.leaving_meaning(word) is not None


def _is_opposite(word: str, of: str) -> bool:
    """Return True if a word is another word with a negation before it. Both are keys."""
    return len(of) >= _SHORTEST_STATUS and word.endswith(of) and 0 < len(word) - len(of) <= _LONGEST_NEGATION
