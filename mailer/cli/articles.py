"""`mailer articles …`: what the newsroom published."""

from contextlib import closing
from dataclasses import asdict
from pathlib import Path

import click

from mailer.articles import collect
from mailer.cli.door import NUMBER, TEXT, instant, json_option, local, opened, show, stamp, table
from mailer.errors import FetchFailed, MailerError, UnreadableInput
from mailer.model import Article
from mailer.sources import fetch, identity, read
from mailer.sources.fetch import Fetcher, shown


@click.group()
def articles() -> None:
    """Import, list, show, pin and ban."""


@articles.command("collect")
@json_option
@click.pass_obj
def collect_(path: Path, as_json: bool) -> int:
    """Ask every feed, site and database of [articles] now, whether or not it is due.

    One that fails spoils no other: exit code 5 when some failed, 4 when all did.
    """
    with opened(path) as app:
        asked = collect.collect(app)
    if as_json:
        show([asdict(each) for each in asked])
    for each in asked if not as_json else ():
        done = f"{each.added} added, {each.updated} updated, {each.unchanged} unchanged"
        click.echo(f"{each.source}: {each.problem or done}")
        for note in each.notes:
            click.echo(note, err=True)
    if not asked and not as_json:
        click.echo("No sources are configured: see [[articles.feeds]] and [articles.database].")
    failed = sum(bool(each.problem) for each in asked)
    return 0 if not failed else 4 if failed == len(asked) else 5


@articles.command("import")
@click.argument("places", metavar="PATH|URL...", nargs=-1, required=True, type=click.Path())
@click.option("--url", type=TEXT, default="", help="The address of the page that the file holds.")
@click.option(
    "--published", type=TEXT, default="", help="When that page was published (2026-11-23T10:00, or a Jalali date)."
)
@click.option("--source", type=TEXT, default="", help="The outlet's name, when the file does not tell it.")
@json_option
@click.pass_obj
def import_(path: Path, places: tuple[str, ...], url: str, published: str, source: str, as_json: bool) -> int:
    """Store the articles that files or addresses hold.

    Each is RSS, Atom or JSON Feed, JSONL or CSV (perhaps gzipped), a news page as HTML, or the text of one. Importing
    the same again changes nothing. One that cannot be read does not stop the others.
    """
    total = {"added": 0, "updated": 0, "unchanged": 0}
    failed: list[MailerError] = []
    notes: list[str] = []
    with opened(path) as app, closing(Fetcher()) as fetcher:
        for each in places:
            try:
                name, content, at = _brought(each, fetcher)
                options = {"url": url, "published": published, "source": source}
                largest = fetch.LARGEST if at else read.LARGEST
                found = read.read(name, content, zone=app.zone, page_at=at, largest=largest, **options)
            except (UnreadableInput, FetchFailed) as error:
                failed.append(error)
                continue
            kept = collect.keep(app, [(article, *identity.identify(article)) for article in found.articles])
            notes += found.notes
            total["added"] += kept.added
            total["updated"] += kept.updated
            total["unchanged"] += kept.unchanged
    for note in notes:
        click.echo(note, err=True)
    if len(places) == len(failed) == 1:
        raise failed[0]
    for failure in failed:
        click.echo(f"mailer: {failure}", err=True)
    if len(failed) == len(places):
        kind = FetchFailed if all(isinstance(each, FetchFailed) for each in failed) else UnreadableInput
        raise kind(f"None of the {len(failed)} could be read.")
    if as_json:
        show({**total, "failed": [error.message for error in failed], "notes": notes})
    else:
        click.echo(", ".join(f"{count} {word}" for word, count in total.items()) + ".")
    return 5 if failed else 0


def _brought(place: str, fetcher: Fetcher) -> tuple[str, bytes, str]:
    """A name for messages, the bytes, and where they were in the end; "" for a file."""
    if place.lower().startswith(("http://", "https://")):
        page = fetcher.fetch(place)
        return shown(page.url), page.content, page.url
    return Path(place).name, _bytes(Path(place)), ""


def _bytes(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except FileNotFoundError:
        raise UnreadableInput(f"{file}: there is no such file.") from None
    except OSError as error:
        raise UnreadableInput(f"{file}: cannot be read ({error.strerror}).") from error


def _brief(article: Article) -> dict[str, object]:
    return {
        "id": article.id,
        "url": article.url,
        "title": article.title,
        "category": article.category,
        "source": article.source,
        "dated": stamp(article.dated),
        "dating": article.dating,
        "views": article.views,
        "pinned": article.pinned,
        "banned": article.banned,
    }


@articles.command("list")
@click.option("--since", type=TEXT, help="Only those dated from this day on.")
@click.option("--until", type=TEXT, help="Only those dated before this day.")
@click.option("--search", type=TEXT, default="", help="A part of the title.")
@click.option("--limit", type=NUMBER, default=50, show_default=True)
@json_option
@click.pass_obj
def list_(path: Path, since: str | None, until: str | None, search: str, limit: int, as_json: bool) -> None:
    """Articles, the newest first."""
    with opened(path) as app:
        span = {"since": instant(since, app.zone, "--since"), "until": instant(until, app.zone, "--until")}
        found = collect.listing(app, **span, search=search, limit=limit)
        if as_json:
            show([_brief(article) for article in found])
            return
        rows = [
            (
                str(a.id),
                local(app, a.dated),
                a.category,
                "" if a.views is None else str(a.views),
                "pinned" if a.pinned else "banned" if a.banned else "",
                a.title,
            )
            for a in found
        ]
    table(("no.", "dated", "category", "views", "mark", "title"), rows)


@articles.command("show")
@click.argument("number", type=NUMBER)
@json_option
@click.pass_obj
def show_(path: Path, number: int, as_json: bool) -> None:
    """All that is stored of an article."""
    with opened(path) as app:
        article = collect.show(app, number)
        if as_json:
            rest = {name: getattr(article, name) for name in ("lead", "body", "image_url", "image_alt", "identity")}
            counts = {"comments": article.comments, "shares": article.shares}
            show({**_brief(article), **rest, **counts, "first_seen": stamp(article.first_seen)})
            return
        click.echo(f"{article.title}\n{article.url or '(no address: not eligible for an issue)'}")
        click.echo(
            f"{article.category or '(no category)'} · {article.source} · {local(app, article.dated)} ({article.dating})"
        )
        told = (("views", article.views), ("comments", article.comments), ("shares", article.shares))
        click.echo(" · ".join(f"{word} {'unknown' if count is None else count}" for word, count in told))
        click.echo(f"\n{article.lead}\n\n{article.body}")


# --- pins and bans ---------------------------------------------------------------------------------------------------
_HELP = {
    "pin": "Bring articles into the issue, first of all.",
    "unpin": "Let articles stand for themselves again.",
    "ban": "Never bring articles into an issue.",
    "unban": "Let articles be chosen again.",
}


def _add_marking(name: str, flag: str, value: bool) -> None:
    @articles.command(name, help=_HELP[name])
    @click.argument("numbers", nargs=-1, required=True, type=NUMBER)
    @json_option
    @click.pass_obj
    def mark(path: Path, numbers: tuple[int, ...], as_json: bool) -> None:
        with opened(path) as app:
            found = collect.mark(app, numbers, flag, value)
        if as_json:
            show([{"id": it.id, "title": it.title, "pinned": it.pinned, "banned": it.banned} for it in found])
            return
        for it in found:
            click.echo(f"{it.id} «{it.title}»: {'' if value else 'no longer '}{flag}")
        click.echo("It counts from the next choice on: within the hour, or at once by `mailer issue draft`.", err=True)


_add_marking("pin", "pinned", True)
_add_marking("unpin", "pinned", False)
_add_marking("ban", "banned", True)
_add_marking("unban", "banned", False)
