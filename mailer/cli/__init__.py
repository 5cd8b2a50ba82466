"""The command line. Each command calls one use case and prints its result; errors become exit codes.

A command's module is imported only when the command is called, so that `mailer --help` loads neither the database nor
the network parts.
"""

import importlib
import json
import os
import re
import sys
import traceback
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

import click

from mailer.cli.exit_codes import exit_code
from mailer.errors import MailerError, OutsideError


class LazyGroup(click.Group):
    """A command group that knows the name and one-line help of each command, and imports a command only to run it."""

    def __init__(self, *args: object, lazy: Mapping[str, tuple[str, str]], **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        self.lazy = lazy  # name → ("module:attribute", help)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.lazy)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in self.lazy:
            return None
        module, _, attribute = self.lazy[name][0].partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.exceptions.NoSuchCommand as error:
            # click would look for similar names among the loaded commands. No command is loaded, so click gets all
            # names here.
            raise click.exceptions.NoSuchCommand(error.command_name, possibilities=self.lazy, ctx=ctx) from None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in self.lazy.items()])


@click.group(
    cls=LazyGroup,
    lazy={
        "demo": ("mailer.cli.demo:demo", "See a whole issue with sample articles in a web inbox."),
        "init": ("mailer.cli.setup:init", "Make a new deployment in a folder."),
        "run": ("mailer.cli.service:run", "Run the service: clock, sender and pages."),
        "health": ("mailer.cli.service:health", "Check whether the service is well (for containers)."),
        "config": ("mailer.cli.setup:config", "Check or show the settings."),
        "dkim": ("mailer.cli.dkim:dkim", "Make the keys that sign the mails."),
        "subscribers": ("mailer.cli.subscribers:subscribers", "Add, edit, import, export, list, show, forget."),
        "unsubscribes": ("mailer.cli.subscribers:unsubscribes", "List who left, when, how and why."),
        "articles": ("mailer.cli.articles:articles", "Collect, import, list, show, pin and ban."),
        "issue": ("mailer.cli.issue:issue", "Draft, view, edit, test and send the week's issue."),
        "backtest": ("mailer.cli.backtest:backtest", "Show what other settings would have chosen in past weeks."),
        "templates": ("mailer.cli.templates:templates", "Copy the built-in templates to edit; check them."),
        "db": ("mailer.cli.setup:db", "Upgrade the database."),
    },
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
@click.option(
    "--config",
    "config_file",
    type=click.Path(path_type=Path),
    envvar="MAILER_CONFIG",
    default=Path("config.toml"),
    show_default=True,
    help="The settings file (or the variable MAILER_CONFIG).",
)
@click.version_option(package_name="khabarnameh", message="mailer %(version)s")
@click.pass_context
def cli(ctx: click.Context, config_file: Path) -> None:
    """The weekly newsletter of a right-to-left news site.

    Once a week it chooses the top stories, makes a right-to-left digest and sends it to every subscriber.
    """
    ctx.obj = config_file


def run(words: Sequence[str]) -> int:
    """Runs one command and returns its exit code."""
    as_json = "--json" in words
    for name in ("stdin", "stdout", "stderr"):
        if getattr(sys, name) is None:  # the caller closed this stream: `mailer … >&-`
            setattr(sys, name, _null_device())
    try:
        result = cli.main(args=list(words), prog_name="mailer", standalone_mode=False)
    except click.ClickException as error:
        if as_json:
            _print_json("usage_error", error.format_message())
        else:
            with suppress(OSError):
                error.show()
        return error.exit_code
    except click.Abort:
        _print_json("stopped", "Stopped.") if as_json else _print("Stopped.", err=True)
        return 5
    except MailerError as error:
        _print_error(error, as_json)
        return exit_code(error)
    except SystemExit:
        return 0  # only click raises this, if the program that reads the pipe has ended (`mailer … | head`)
    except OSError as error:
        # The command could not write a file or folder. Errors of reading and errors of the database have other types.
        where = error.filename or "The output cannot be written"
        outside = OutsideError(f"{where}: {error.strerror or error}.")
        _print_error(outside, as_json)
        return exit_code(outside)
    except Exception as error:
        if as_json:
            _print_json("bug", f"{type(error).__name__}: {error}", "Please report it with the output on stderr.")
        with suppress(OSError):
            traceback.print_exc(file=sys.stderr)
        _print(
            "This is a bug in mailer. Nothing was changed by the failed step. Please report the lines above.", err=True
        )
        return 1
    return result if isinstance(result, int) else 0


def _print_error(error: MailerError, as_json: bool) -> None:
    name = type(error).__name__
    if as_json:
        _print_json(re.sub("(?<!^)(?=[A-Z])", "_", name).lower(), error.message, error.fix)
        return
    for line in str(error).splitlines() or [name]:
        _print(f"mailer: {line}", err=True)


def _print_json(code: str, message: str, fix: str = "") -> None:
    _print(json.dumps({"error": {"code": code, "message": message, "fix": fix}}, ensure_ascii=False))


def _print(text: str, *, err: bool = False) -> None:
    """Prints the text if possible. If the pipe is closed or the disk is full, only the exit code shows what
    happened."""
    try:
        click.echo(text, err=err)
    except OSError:
        # Otherwise Python would try to write the text again at exit.
        setattr(sys, "stderr" if err else "stdout", _null_device())


def _null_device() -> IO[str]:
    return Path(os.devnull).open("r+")
