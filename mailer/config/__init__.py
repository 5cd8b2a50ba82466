"""Reads the settings from a file, `MAILER_*` variables and secret files, and turns the settings into text.

All mistakes are reported together, each with its line or variable. This package writes no file: `mailer init` writes
config.toml with the text from `reference`. `settings` defines each setting. Secrets are read only when they are needed.
"""

import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mailer.config.environ import lay_over
from mailer.config.fields import Place, spelled
from mailer.config.lines import lines_of
from mailer.config.problems import Problem, dotted, judged
from mailer.config.usable import made_usable
from mailer.errors import ConfigError
from mailer.settings import Settings, Smtp
from mailer.tokens import Keyring

_NO_PASSWORD = "a username is given but neither password_file nor password"  # noqa: S105 - a sentence, no password


def load(path: Path, environ: Mapping[str, str], *, templates_later: bool = False) -> Settings:
    """Returns the settings in the file at `path`, overridden by the variables `MAILER_SECTION__KEY` in `environ`.

    `Settings.folder` becomes the absolute folder of the file, and the domains of addresses are converted to ASCII.
    Raises ConfigError with all problems, one line each, such as
    `config.toml:12: smtp.0.tls: "startls" is not one of none, starttls, implicit (did you mean "starttls"?)`.
    With `templates_later`, the templates folder need not exist yet.
    """
    text = _text_of(path)
    laid = lay_over(_parsed(path, text), environ)
    settings, found = judged(laid.data)
    usable = made_usable(settings.model_copy(update={"folder": path.absolute().parent}), templates_later)
    found = [*found, *_without_password(settings, environ), *(usable if isinstance(usable, list) else [])]
    if isinstance(usable, Settings) and not found and not laid.problems:
        return usable
    lines = lines_of(text)
    located = [(*_origin(path, problem.place, lines, laid.variables), problem) for problem in found]
    located.sort(key=lambda item: item[0])
    raise ConfigError(
        [f"{origin}: {dotted(problem.place)}: {problem.words}" for _, origin, problem in located] + list(laid.problems)
    )


def password(smtp: Smtp, settings: Settings, environ: Mapping[str, str]) -> str | None:
    """Returns the password for a relay, or None if the relay needs no login.

    The password is read from `password_file`, else from `$CREDENTIALS_DIRECTORY/smtp_password`, else from `password`. A
    newline at the end of a file is not part of the password. Raises ConfigError if there is no password or the file
    cannot be read.
    """
    if smtp.username is None:
        return None
    credential = _credential(environ)
    if smtp.password_file is not None:
        return _secret_in(settings.path(smtp.password_file), "password_file")
    if credential is not None:
        return _secret_in(credential, "$CREDENTIALS_DIRECTORY/smtp_password")
    if smtp.password is not None:
        return smtp.password.get_secret_value()
    raise ConfigError([f"{smtp.name}: {_NO_PASSWORD}"])


def keys(settings: Settings) -> Keyring:
    """Returns the keys that sign the links. Raises ConfigError if the key file is missing, unreadable or malformed."""
    path = settings.path(settings.keys.file)
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError:
        raise ConfigError(
            [f"{path}: there is no key file."],
            "Put the file back from your backup: without it no link in an old mail works. Only for a new deployment, "
            "run `mailer init`.",
        ) from None
    except OSError as error:
        raise ConfigError([f"{path}: cannot be read: {error.strerror}"]) from None
    except UnicodeDecodeError:
        raise ConfigError([f"{path}: is not a key file"]) from None
    try:
        return Keyring.parse(text)
    except ConfigError as error:
        raise ConfigError([f"{path}: {problem}" for problem in error.problems], error.fix) from None


def database_url(settings: Settings) -> str:
    """Returns `database.url`. The path of a SQLite file, relative to the folder of the settings, is made absolute."""
    url = settings.database.url
    found = re.fullmatch(r"sqlite:///(?!:memory:|file:)([^?]+)(\?.*)?", url)
    return f"sqlite:///{settings.path(Path(found[1]))}{found[2] or ''}" if found else url


def shown(settings: Settings) -> dict[str, Any]:
    """Returns the effective settings in JSON types, written as in the file, with `***` in place of secrets."""
    return dict(spelled(settings))


def _without_password(settings: Settings, environ: Mapping[str, str]) -> list[Problem]:
    # This check is not in `settings`, because systemd may provide the password.
    if _credential(environ) is not None:
        return []
    return [
        Problem(("smtp", number), _NO_PASSWORD)
        for number, smtp in enumerate(settings.smtp)
        if smtp.username and not (smtp.password or smtp.password_file)
    ]


def _credential(environ: Mapping[str, str]) -> Path | None:
    """Returns the password file that systemd provides (LoadCredential=smtp_password:…), or None."""
    folder = environ.get("CREDENTIALS_DIRECTORY")
    path = Path(folder) / "smtp_password" if folder else None
    return path if path and os.access(path, os.F_OK) else None


def _secret_in(path: Path, source: str) -> str:
    try:
        text = path.read_bytes().decode()
    except OSError as error:
        raise ConfigError([f"{path} ({source}): cannot be read: {error.strerror}"]) from None
    except UnicodeDecodeError:
        raise ConfigError([f"{path} ({source}): is not UTF-8"]) from None
    secret = re.sub(r"\r?\n\Z", "", text)
    if not secret:
        raise ConfigError([f"{path} ({source}): is empty"])
    return secret


def _text_of(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")  # Windows editors put a byte order mark in front
    except FileNotFoundError:
        raise ConfigError(
            [f"There is no {path.name} in {path.absolute().parent}."], "Run `mailer init`, or give --config FILE."
        ) from None
    except IsADirectoryError:
        raise ConfigError([f"{path}: is a folder."], f"Give the file: --config {path / 'config.toml'}") from None
    except OSError as error:
        raise ConfigError([f"{path}: cannot be read: {error.strerror}"]) from None
    except UnicodeDecodeError as error:
        line = bytes(error.object).count(b"\n", 0, error.start) + 1
        raise ConfigError([f"{path}:{line}: is not UTF-8; save the file as UTF-8"]) from None


def _parsed(path: Path, text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # a number with thousands of digits raises a plain ValueError
        found = re.fullmatch(r"(.*) \(at (?:line (\d+), column \d+|end of document)\)", str(error), re.DOTALL)
        if not found:
            raise ConfigError([f"{path}: not TOML: {error}"]) from None
        twice = found[1].startswith(("Cannot overwrite", "Cannot declare", "Duplicate"))
        hint = "; the same name is there twice" if twice else ""
        line = int(found[2] or len(text.splitlines()))
        if re.search(r"\b1[345]\d\d-\d\d-\d\d\b", text.splitlines()[line - 1] if line else ""):
            hint = "; write Gregorian dates, such as 2027-03-21"
        raise ConfigError([f"{path}:{line}: not TOML: {found[1]}{hint}"]) from None


def _origin(
    path: Path, place: Place, lines: Mapping[Place, int], variables: Mapping[Place, str]
) -> tuple[tuple[int, str], str]:
    """Returns a sort key, and the line or variable that gives the setting at `place`.

    If neither is known, returns the line or variable of the innermost enclosing section. A variable is preferred to a
    line of the file, because the variable overrides the value in the file.
    """
    for length in range(len(place), 0, -1):
        part = place[:length]
        if part in variables:
            return (1, variables[part]), variables[part]
        if part in lines:
            return (0, f"{lines[part]:09}"), f"{path}:{lines[part]}"
    below = next((name for inner, name in variables.items() if inner[: len(place)] == place), None)
    return ((1, below), below) if below else ((0, ""), str(path))
