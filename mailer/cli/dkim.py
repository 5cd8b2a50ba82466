"""`mailer dkim keygen`: makes the keys that sign the mails, and prints the DNS records that verify the signatures."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mailer.cli.command import Result, command

if TYPE_CHECKING:
    from mailer.config.dkim import KeyFile


@click.group()
def dkim() -> None:
    """Make the keys that sign the mails."""


@command(dkim, opens=False)
def keygen(path: Path) -> Result:
    """Make the keys that [dkim] names, and print the DNS records to publish.

    An existing key is kept, and its record is printed again: replacing the key would break the signatures of mails that
    are on their way. For a new key, set another selector and another file.
    """
    from mailer import config
    from mailer.config import dkim as keys
    from mailer.mail import dkim as signing

    settings = config.load(path, os.environ)
    domain = keys.domain(settings)
    found = []
    lines = []
    for file in keys.key_files(settings):
        made = _make(file)
        key = keys.read(file)
        record = signing.record(key)
        zone_line = signing.zone_line(key.selector, domain, record)
        found.append(
            {
                "file": str(file.path),
                "made": made,
                "algorithm": key.algorithm,
                "selector": key.selector,
                "name": signing.record_name(key.selector, domain),
                "type": "TXT",
                "value": record,
                "zone_line": zone_line,
            }
        )
        lines.append(f"made {file.path}" if made else f"kept {file.path}, which existed already")
    lines += ["\nPublish in the DNS:\n", *(str(each["zone_line"]) for each in found)]
    if settings.delivery.dkim == "relay":
        lines.append('\nWhen that is done, set dkim = "self" in [delivery].')
    return Result({"domain": domain, "keys": found}, "\n".join(lines))


def _make(file: "KeyFile") -> bool:
    """Makes the key file and returns True; returns False if the file exists already."""
    from cryptography.hazmat.primitives.asymmetric import ed25519, rsa

    from mailer.mail import dkim as signing

    try:
        # The file is created with its final permissions, so that no other user can ever read the key.
        number = os.open(file.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return False
    private = rsa.generate_private_key(65537, 2048) if file.algorithm == "rsa" else ed25519.Ed25519PrivateKey.generate()
    with os.fdopen(number, "wb") as out:
        out.write(signing.private_pem(private))
    return True
