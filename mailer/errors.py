"""Everything that can go wrong, as types. `str(e)` says what is wrong, where, and how to fix it.

The types know nothing about exit codes or HTTP: the command line and the web each have one table for that, and a test
checks that no type is missing. Expected results for one message or one feed are values, not errors.
"""

from collections.abc import Sequence


def sentences(what: str, fix: str) -> str:
    """Joins what is wrong and how to fix it into sentences."""
    ended = not fix or not what or what.rstrip("»\"')").endswith((".", "!", "?", "؟", "…", ":"))
    return f"{what}{'' if ended else '.'} {fix}".strip()


class MailerError(Exception):
    """Base of all errors of this program. `fix` says how to fix it; it is empty if the message is enough."""

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
    """The command was called with arguments or options that do not fit together."""


class AskError(MailerError):
    """The request is refused: the caller must change something."""


class BadAddress(AskError):
    """Not an e-mail address that mail can be sent to."""


class BadToken(AskError):
    """The link was not made by this deployment, or not for this purpose."""


class NoSuchIssue(AskError):
    """No issue has that slot."""


class NoSuchSubscriber(AskError):
    """There is no subscriber with that address."""


class NoSuchArticle(AskError):
    """No article has that number."""


class WrongState(AskError):
    """The issue is in a state that does not allow this."""


class LeftBefore(AskError):
    """This person unsubscribed; only their own new double opt-in can add them again."""


class TooMany(AskError):
    """A limit against abuse is reached; the request may succeed later."""


class NotEnoughStories(AskError):
    """The issue has no stories, and such an issue is never sent."""


class UnreadableInput(AskError):
    """An input file cannot be used: broken XML, HTML instead of a feed, or an empty file."""


class WouldOverwrite(AskError):
    """An existing file would be lost."""


class OutsideError(MailerError):
    """Something outside this program failed; trying again later may help."""


class FetchFailed(OutsideError):
    """A page or a picture could not be fetched: no connection, an error status, too large, or a forbidden address.

    `status` is the HTTP status, or 0 if there was no answer.
    """

    def __init__(self, message: str, fix: str = "", *, status: int = 0) -> None:
        super().__init__(message, fix)
        self.status = status


class SourceUnavailable(OutsideError):
    """The newsroom's own database cannot be read."""


class RelayDown(OutsideError):
    """No mail can be delivered to the relay now: no connection, TLS or login, or it refuses the sender."""


class StoreUnavailable(OutsideError):
    """The database cannot be opened, is locked, is read-only or its disk is full."""


class StoreOutdated(OutsideError):
    """The tables have another version than this program."""
