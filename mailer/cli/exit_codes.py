"""Maps each kind of error to an exit code of the command line.

0 done · 1 bug · 2 usage or configuration · 3 request refused · 4 something outside failed · 5 done in part
"""

from collections.abc import Mapping

from mailer.errors import AskError, ConfigError, MailerError, OutsideError, UsageError

_EXIT_CODES: Mapping[type[MailerError], int] = {ConfigError: 2, UsageError: 2, AskError: 3, OutsideError: 4}


def exit_code(error: MailerError) -> int:
    return next(code for kind, code in _EXIT_CODES.items() if isinstance(error, kind))
