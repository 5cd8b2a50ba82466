"""Everything that can go wrong, as types. `str(e)` says what, where and how to mend it.

A type knows nothing of exit codes or HTTP: each door has one table for that, and a test walks `__subclasses__()`
so that no type is missing from it. What is *expected* about one message or one feed is a value, not an error.
"""

from collections.abc import Sequence


def sentences(what: str, fix: str) -> str:
    """What is wrong and how to mend it, parted by a full stop."""
    ended = not fix or not what or what.rstrip("»\"')").endswith((".", "!", "?", "؟", "…", ":"))
    return f"{what}{'' if ended else '.'} {fix}".strip()


class MailerError(Exception):
    """Base of all our errors. `fix` is the sentence that says how to mend it; empty when the message says it all."""

    def __init__(self, message: str, fix: str = "") -> None:
        super().__init__(sentences(message, fix))
        self.message = message
        self.fix = fix


class ConfigError(MailerError):
    """The settings are wrong; `problems` lists every one, not just the first."""

    def __init__(self, problems: Sequence[str], fix: str = "") -> None:
        super().__init__("\n".join(problems), fix)
        self.problems = tuple(problems)


class UsageError(MailerError):
    """The command was called with words that make no sense together."""


class AskError(MailerError):
    """What was asked cannot be granted: the asker must change something."""


class BadAddress(AskError):
    """Not an e-mail address that we can write to."""


class BadToken(AskError):
    """The link was not made by us, or not for this purpose."""


class NoSuchIssue(AskError):
    """No issue has that slot."""


class NoSuchSubscriber(AskError):
    """Nobody with that address is known."""


class NoSuchArticle(AskError):
    """No article has that number."""


class WrongState(AskError):
    """The issue is not in a state in which this can be done."""


class LeftBefore(AskError):
    """This person left; only a fresh double opt-in by the person brings them back."""


class TooMany(AskError):
    """A limit against misuse is reached; later it may be granted."""


class NotEnoughStories(AskError):
    """There is nothing to say: an issue without stories is never sent."""


class UnreadableInput(AskError):
    """A file that was handed in is not what it should be: broken XML, HTML where a feed should be, nothing in it."""


class WouldOverwrite(AskError):
    """A file that is there already would be lost."""


class OutsideError(MailerError):
    """The world outside failed us; trying again later may help."""


class FetchFailed(OutsideError):
    """A page or a picture could not be brought: no connection, a refusal, too big, or where we do not go.

    `status`: as the server told it, else 0."""

    def __init__(self, message: str, fix: str = "", *, status: int = 0) -> None:
        super().__init__(message, fix)
        self.status = status


class SourceUnavailable(OutsideError):
    """The newsroom's own database cannot be read."""


class RelayDown(OutsideError):
    """No mail can be handed over just now: no connection, no TLS, no login, or the relay refuses our sender."""


class StoreUnavailable(OutsideError):
    """The database cannot be opened, is locked, is read-only or its disk is full."""


class StoreOutdated(OutsideError):
    """The tables are of another version than this program."""
