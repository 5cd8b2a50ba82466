"""`mailer dkim keygen`: the keys that sign the mails, and the records that let everybody check them."""

import os
from pathlib import Path

import click
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa

from mailer import config
from mailer.cli.door import json_option, show
from mailer.config import dkim as keys
from mailer.mail import dkim as signing


@click.group()
def dkim() -> None:
    """Make the keys that sign the mails."""


@dkim.command()
@json_option
@click.pass_obj
def keygen(path: Path, as_json: bool) -> None:
    """Make the keys that [dkim] names, and print the DNS records to publish.

    A key that is there stays as it is, and its record is printed again: replacing it would break the signatures of the
    mails under way. For a new one, name another selector and another file.
    """
    settings = config.load(path, os.environ)
    domain = keys.domain(settings)
    found = []
    for file in keys.key_files(settings):
        made = _make(file)
        key = keys.read(file)
        value = signing.record(key)
        found.append(
            {
                "file": str(file.path),
                "made": made,
                "algorithm": key.algorithm,
                "selector": key.selector,
                "name": signing.record_name(key.selector, domain),
                "type": "TXT",
                "value": value,
                "zone_line": signing.zone_line(key.selector, domain, value),
            }
        )
    if as_json:
        show({"domain": domain, "keys": found})
        return
    for each in found:
        click.echo(f"made {each['file']}" if each["made"] else f"kept {each['file']}, which was there already")
    click.echo("\nPublish in the DNS:\n")
    for each in found:
        click.echo(each["zone_line"])
    if settings.delivery.dkim == "relay":
        click.echo('\nWhen that is done, set dkim = "self" in [delivery].')


def _make(file: keys.KeyFile) -> bool:
    """Makes the key if there is none; False: there is one."""
    try:
        # Made with its right from the first byte on: nobody else can read it even for a moment.
        number = os.open(file.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return False
    private = rsa.generate_private_key(65537, 2048) if file.algorithm == "rsa" else ed25519.Ed25519PrivateKey.generate()
    with os.fdopen(number, "wb") as out:
        out.write(signing.private_pem(private))
    return True
