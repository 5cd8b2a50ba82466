"""Reads the DKIM key files that the settings name, and makes the signer with these keys. Does not make keys."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mailer import address
from mailer.errors import ConfigError
from mailer.mail import dkim
from mailer.settings import Settings


@dataclass(frozen=True, slots=True)
class KeyFile:
    """The file of a private key, and the selector under which the DNS has the public key.

    The file may not exist yet.
    """

    path: Path
    selector: str
    algorithm: Literal["rsa", "ed25519"]


def domain(settings: Settings) -> str:
    """Returns the signing domain, in ASCII."""
    return settings.dkim.domain or address.in_mailbox(settings.newsletter.from_).domain


def key_files(settings: Settings) -> list[KeyFile]:
    """Returns the key files in use. The RSA key comes first, because every receiver supports RSA."""
    chosen = settings.dkim
    found = [KeyFile(settings.path(chosen.key_file), chosen.selector, "rsa")]
    if chosen.second_key_file is not None:
        found.append(KeyFile(settings.path(chosen.second_key_file), chosen.second_selector, "ed25519"))
    return found


def read(file: KeyFile) -> dkim.Key:
    """Returns the key in a file.

    Raises ConfigError if the file is missing or unreadable, or if the key is of another kind than configured.
    """
    try:
        key = dkim.Key(file.selector, dkim.private_key(file.path.read_bytes()))
    except FileNotFoundError:
        raise ConfigError(
            [f"{file.path}: there is no DKIM key."],
            'Run `mailer dkim keygen`, or set delivery.dkim = "relay" and let the relay sign.',
        ) from None
    except OSError as error:
        raise ConfigError([f"{file.path}: cannot be read: {error.strerror}"]) from None
    except ValueError as error:
        raise ConfigError([f"{file.path}: is not a DKIM key: {error}"]) from None
    if key.algorithm != file.algorithm:
        raise ConfigError([f"{file.path}: holds a key of the kind {key.algorithm}, not {file.algorithm}"])
    return key


def signer(settings: Settings) -> dkim.Signer | None:
    """Returns the signer of the mails, or None if the relay signs. Raises ConfigError as `read` does."""
    if settings.delivery.dkim == "relay":
        return None
    return dkim.Signer(domain(settings), [read(file) for file in key_files(settings)])
