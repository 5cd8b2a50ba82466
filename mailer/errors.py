"""The exceptions that this program raises. `str(error)` says what is wrong, where, and how to fix it.

An exception contains neither an exit code nor an HTTP status. The command line has a table that maps each type of
exception to an exit code, and the web pages have a table that maps each type to a status. A test checks that both
tables are complete. The expected failure of a single mail or a single feed is not an exception, but a returned value
that describes the failure.
"""

from collections.abc import Sequence


def sentences(what: str, fix: str) -> str:
    """Returns the problem (`what`) and how to fix it (`fix`) as one text of whole sentences."""
    ended = not fix or not what or what.rstrip("»\"')").endswith((".", "!", "?", "؟", "…", ":"))
    return f"{what}{'' if ended else '.'} {fix}".strip()


class MailerError(Exception):
    """The base class of all errors of this program. `fix` says how to solve the problem, or is empty."""

    def __init__(self, message: str, fix: str = "") -> None:
        super().__init__(sentences(message, fix))
        self.message = message
        self.fix = fix


class ConfigError(MailerError):
    """The settings are wrong. `problems` lists every problem that was found."""

    def __init__(self, problems: Sequence[str], fix: str = "") -> None:
        super().__init__("\n".join(problems), fix)
        self.problems = tuple(problems)


class UsageError(MailerError):
    """The command was called with an invalid argument, or with options that exclude each other."""


class UndecidedList(UsageError):
    """An admin has to decide what a column of an imported list means, or which of several lists is wanted."""


class AskError(MailerError):
    """The base class of refusals: nothing failed, but the request is not possible or not allowed."""


class BadAddress(AskError):
    """The text is not an e-mail address that mail can be sent to."""


class BadToken(AskError):
    """The token in the link was not made by this deployment, or was made for another purpose."""


class NoSuchIssue(AskError):
    """There is no issue for that slot."""


class NoSuchSubscriber(AskError):
    """There is no subscriber with that address."""


class NoSuchArticle(AskError):
    """No article has that number."""


class NoSuchPair(AskError):
    """No editor has decided whether these two articles report the same story."""


class NoSuchBlock(AskError):
    """The issue has no block with that number."""


class WrongState(AskError):
    """The state of the issue does not allow the requested change."""


class LeftBefore(AskError):
    """The person unsubscribed earlier. Only a new double opt-in by the same person can undo that."""


class TooMany(AskError):
    """A limit against abuse is reached. The same request may succeed later."""


class NotEnoughStories(AskError):
    """The issue has no stories. An issue without stories is never sent."""


class UnreadableInput(AskError):
    """An input file cannot be used: broken XML, HTML instead of a feed, or an empty file."""


class ReadingStopped(UnreadableInput):
    """The reading of an input was stopped, because it needed too much time or memory or its result was too large."""


class WouldOverwrite(AskError):
    """The command would overwrite an existing file."""


class LostKey(AskError):
    """The key file is missing, but a database was used with this key. A new key must not silently replace it."""


class OutsideError(MailerError):
    """The base class of failures outside this program. Trying again later may help."""


class FetchFailed(OutsideError):
    """A page or a picture could not be fetched: there was no connection, the server answered with an error, the answer
    was too large, or the address is forbidden.

    `status` is the HTTP status, or 0 if there was no usable answer. `refused` is True if this program refuses the
    address or the answer, for example a private address or too many redirects; another request would not help.
    """

    def __init__(self, message: str, fix: str = "", *, status: int = 0, refused: bool = False) -> None:
        super().__init__(message, fix)
        self.status = status
        self.refused = refused


class ReadingCancelled(OutsideError):
    """An input was not read, because the program ends."""


class SourceUnavailable(OutsideError):
    """The newsroom's own database cannot be read."""


class RelayDown(OutsideError):
    """The relay takes no mail now: connecting, TLS or the login failed, or the relay refuses the sender."""


class StoreUnavailable(OutsideError):
    """The database cannot be used: it cannot be opened, is locked or read-only, or its disk is full."""


class StoreOutdated(OutsideError):
    """The tables have a different version from the one that this program needs."""
