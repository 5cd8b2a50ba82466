"""`mailer articles …`: collects, imports, lists and pins articles, takes over views, and corrects the stories."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mailer.cli.command import NUMBER, TEXT, Result, attributes, command, instant, local, table, wants_json
from mailer.errors import FetchFailed, MailerError, UnreadableInput
from mailer.model import Merged

if TYPE_CHECKING:
    from mailer.articles.categories import Category
    from mailer.articles.decided_pairs import Decision
    from mailer.articles.views import Given
    from mailer.context import App
    from mailer.sources.fetch import Fetcher
    from mailer.sources.found import Found


_NO_SOURCES = "No sources are configured: see [[articles.feeds]] and [articles.database]."


@click.group()
def articles() -> None:
    """Collect, import, list, show, pin and ban. Correct which articles report the same story."""


@command(articles)
def collect(app: "App") -> Result:
    """Ask every feed, site and database of [articles] now, even if it is not due yet.

    A source that fails does not stop the others. The exit code is 5 if some failed, 4 if all did.
    """
    from mailer.articles import collect

    app.check_sources()
    asked = collect.collect(app)
    lines = []
    for each in asked:
        done = f"{each.added} added, {each.updated} updated, {each.unchanged} unchanged"
        if each.not_modified:
            done = "not changed since the last time"
        lines.append(f"{each.source}: {each.problem or done}")
        if not wants_json():
            _print_notes(each.notes)
    failed = sum(bool(each.problem) for each in asked)
    return Result(
        [attributes(each, "source", "added", "updated", "unchanged", "problem", "notes") for each in asked],
        "\n".join(lines) or _NO_SOURCES,
        0 if not failed else 4 if failed == len(asked) else 5,
    )


def _print_notes(notes: Sequence[str]) -> None:
    for note in notes:
        click.echo(note, err=True)


@command(articles)
@click.argument("places", metavar="PATH|URL...", nargs=-1, required=True, type=click.Path())
@click.option("--url", type=TEXT, default="", help="The address of the page in the file.")
@click.option(
    "--published", type=TEXT, default="", help="When that page was published (2026-11-23T10:00, or a Jalali date)."
)
@click.option("--source", type=TEXT, default="", help="The outlet's name, if the file does not contain it.")
def import_(app: "App", places: tuple[str, ...], url: str, published: str, source: str) -> Result:
    """Store the articles in files or at addresses.

    Each may be RSS, Atom, JSON Feed, JSONL or CSV (gzipped or not), or one article as HTML or plain text. Importing
    the same again changes nothing. A file that cannot be read does not stop the others.
    """
    from mailer.articles import collect
    from mailer.sources import fetch
    from mailer.text import links

    total = Merged()
    failed: list[MailerError] = []
    notes: list[str] = []
    fetcher = fetch.Fetcher()
    for each in places:
        try:
            found = _read(app, each, fetcher, url=url, published=published, source=source)
        except (UnreadableInput, FetchFailed) as error:
            failed.append(error)
            continue
        name = links.shown(each) if links.has_scheme(each) else Path(each).name
        kept = collect.keep(app, found.articles)
        total += kept
        notes += (*found.notes, *collect.undated(name, found.articles), *collect.clashes(name, kept))
    _print_notes(notes)
    if len(places) == len(failed) == 1:
        raise failed[0]
    for failure in failed:
        click.echo(f"mailer: {failure}", err=True)
    if len(failed) == len(places):
        kind = FetchFailed if all(isinstance(each, FetchFailed) for each in failed) else UnreadableInput
        raise kind(f"None of the {len(failed)} could be read.")
    counts = {"added": total.added, "updated": total.updated, "unchanged": total.unchanged}
    return Result(
        {**counts, "failed": [error.message for error in failed], "notes": notes},
        ", ".join(f"{count} {word}" for word, count in counts.items()) + ".",
        5 if failed else 0,
    )


@command(articles)
@click.argument("places", metavar="PATH|URL...", nargs=-1, required=True, type=click.Path())
@click.option("--site", type=TEXT, default="", help="The site's address, if the addresses in the file have no host.")
@click.option("--server", type=TEXT, default="", help="A name for the web server, if there are logs of several.")
@click.option("--recount", is_flag=True, help="Forget the views of all logs counted before; count only these logs.")
def views(app: "App", places: tuple[str, ...], site: str, server: str, *, recount: bool) -> Result:
    """Store how often articles were viewed.

    Each PATH or URL is an export of Matomo, Google Analytics, Plausible or a WordPress plugin as CSV or JSON, or an
    access log of a web server, gzipped or not. The views of an export replace the stored views. The views of a log are
    added to those of other logs, and no line is counted twice. docs/articles.md lists the formats.
    """
    from mailer.articles import views as given_views
    from mailer.sources.fetch import Fetcher

    fetcher, known = Fetcher(), given_views.Known(app, site)
    found: list[Given] = []
    failed: list[MailerError] = []
    for place in places:
        try:
            first = recount and all(each.kind != "log" for each in found)  # later logs are added to the first
            found.append(given_views.give(app, place, known, fetcher=fetcher, server=server, recount=first))
        except MailerError as error:  # a later file must not hide what the earlier ones have changed
            if len(places) == 1:
                raise
            failed.append(error)
            click.echo(f"mailer: {error}", err=True)
    if not found:
        raise UnreadableInput(f"None of the {len(failed)} files and addresses could be used.")
    given_views.finish(app)
    for each in found:
        if not wants_json():
            _print_notes(each.notes)
    if recount and all(each.kind != "log" for each in found):
        _print_notes(["No log was counted, so --recount has forgotten nothing."])
    data = [attributes(each, *_GIVEN) for each in found]
    return Result(
        {"files": data, "failed": [error.message for error in failed]},
        "\n".join(map(_said, found)),
        5 if failed else 0,
    )


_GIVEN = (
    *("name", "kind", "rows", "matched", "updated", "views", "unknown", "passed_over", "bots", "counted_before"),
    "notes",
)


def _said(given: "Given") -> str:
    """Returns a few lines that say what was stored from an export or a log."""
    from mailer.text.english import counted

    row, pages = ("line", "views of pages") if given.kind == "log" else ("row", "pages")
    lines = [
        f"{given.name}: {counted(given.rows, row)}; {counted(given.views, 'view')} of "
        f"{counted(given.matched, 'article')}; updated: {given.updated:,}.",
        f"  {pages} that are not stored articles: {given.unknown:,}" if given.unknown else "",
        f"  requests of bots: {given.bots:,}" if given.bots else "",
        f"  lines that were counted before: {given.counted_before:,}" if given.counted_before else "",
        *(f"  {row}s that {reason}: {count:,}" for reason, count in given.passed_over.items()),
    ]
    return "\n".join(filter(None, lines))


def _read(app: "App", place: str, fetcher: "Fetcher", *, url: str, published: str, source: str) -> "Found":
    """Returns the articles of a file or address. Raises UnreadableInput or FetchFailed."""
    from mailer.sources import fetch, read
    from mailer.text import links

    if links.has_scheme(place):
        page = fetcher.fetch(place, may_cut=True)
        return app.documents.read(
            links.shown(page.url),
            page.content,
            zone=app.zone,
            url=url,
            published=published,
            source=source,
            page_at=page.url,
            address=page.url,
            charset=page.charset,
            largest=fetch.LARGEST,
            cut_off=page.cut_off,
            now=app.now(),
        )
    file = Path(place)
    content = read.file_content(file)
    return app.documents.read(
        file.name,
        content,
        zone=app.zone,
        url=url,
        published=published,
        source=source,
        page_at="",
        now=app.now(),
    )


_BRIEF = ("id", "url", "title", "category", "source", "dated", "dating", "estimated", "views", "pinned", "banned")


@command(articles)
@click.option("--since", type=TEXT, help="Only those dated on or after this day.")
@click.option("--until", type=TEXT, help="Only those dated before this day.")
@click.option("--search", type=TEXT, default="", help="A part of the title.")
@click.option("--limit", type=NUMBER, default=50, show_default=True)
def list_(app: "App", since: str | None, until: str | None, search: str, limit: int) -> Result:
    """List articles, the newest first."""
    from mailer.articles import collect

    span = {"since": instant(since, app.zone, "--since"), "until": instant(until, app.zone, "--until")}
    found = collect.newest(app, **span, search=search, limit=limit)
    rows = [
        (
            str(each.id),
            local(app, each.dated),
            each.category,
            "" if each.views is None else str(each.views),
            "pinned" if each.pinned else "banned" if each.banned else "",
            each.title,
        )
        for each in found
    ]
    headings = ("no.", "dated", "category", "views", "pin", "title")
    return Result([attributes(each, *_BRIEF) for each in found], table(headings, rows))


@command(articles)
def sources(app: "App") -> Result:
    """List the sources of [articles] with their last collections, problems and notes."""
    from mailer.articles import collect

    found = collect.sources(app)
    lines = []
    for each in found:
        last = f"last collected {local(app, each.fetched_at)}" if each.fetched_at else "not collected yet"
        lines.append(f"{each.source}: {last}")
        if each.failures:
            lines.append(f"    failures in a row since then: {each.failures}. {each.problem}")
        lines += [f"    {note}" for note in each.notes]
    return Result([asdict(each) for each in found], "\n".join(lines) or _NO_SOURCES)


@command(articles)
@click.option("--since", type=TEXT, help="Count only articles dated on or after this day; by default 90 days ago.")
def sections(app: "App", since: str | None) -> Result:
    """List the categories of the articles, each with its section.

    Categories without a section come first.
    """
    from mailer.articles import categories

    found = categories.categories(app, instant(since, app.zone, "--since") or app.now() - timedelta(days=90))
    rows = [(each.category or "(none)", f"{each.articles:,}", each.section, _mapped(each)) for each in found]
    unmapped = sum(not each.mapped for each in found)
    lines = [table(("category", "articles", "section", ""), rows)]
    if unmapped:
        lines.append(f'\n{unmapped} are not mapped. Add them to [newsletter.sections] as "category" = "section".')
    return Result([asdict(each) for each in found], "\n".join(lines))


def _mapped(found: "Category") -> str:
    return "" if found.mapped else "not mapped"


@command(articles)
@click.argument("number", type=NUMBER)
def show_(app: "App", number: int) -> Result:
    """Show everything stored about an article."""
    from mailer.articles import collect

    found = collect.show(app, number)
    read = ("comments", "shares", "prominence", "list_hours")
    more = ("lead", "body", "image_url", "image_alt", "identity", *read, "first_seen")
    counts = attributes(found, "views", "comments", "shares")
    dating = "estimated" if found.estimated else found.dating
    lines = [
        found.title,
        found.url or "(no address: not eligible for an issue)",
        f"{found.category or '(no category)'} · {found.source} · {local(app, found.dated)} ({dating})",
        " · ".join(f"{name} {'unknown' if count is None else count}" for name, count in counts.items()),
        f"\n{found.lead}\n\n{found.body}",
    ]
    return Result(attributes(found, *_BRIEF, *more), "\n".join(lines))


_FROM_NOW_ON = "This counts from the next choice on: within the hour, or now with `mailer issue draft`."


# --- pins and bans ---------------------------------------------------------------------------------------------------
def _pin_command(name: str, help_: str, effect: str) -> None:
    def change(app: "App", numbers: tuple[int, ...]) -> Result:
        from mailer.articles import collect

        verbs = {"pin": collect.pin, "unpin": collect.unpin, "ban": collect.ban, "unban": collect.unban}
        found = verbs[name](app, numbers)
        if not wants_json():
            _print_notes([_FROM_NOW_ON])
        return Result(
            [attributes(each, "id", "title", "pinned", "banned") for each in found],
            "\n".join(f"{each.id} «{each.title}»: {effect}" for each in found),
        )

    change.__name__, change.__doc__ = name, help_
    numbers: Callable[..., Callable[..., Result]] = click.argument("numbers", nargs=-1, required=True, type=NUMBER)
    command(articles)(numbers(change))


_pin_command("pin", "Always include articles in the issue, at its top.", "pinned")
_pin_command("unpin", "Undo `pin`: choose articles by their score again.", "no longer pinned")
_pin_command("ban", "Never include articles in an issue.", "banned")
_pin_command("unban", "Undo `ban`.", "no longer banned")


# --- the same story, or different stories ----------------------------------------------------------------------------
_one = click.argument("one", metavar="A", type=NUMBER)
_other = click.argument("other", metavar="B", type=NUMBER)


@command(articles)
@_one
@_other
def same(app: "App", one: int, other: int) -> Result:
    """Decide that articles A and B report the same story.

    They then become one story, in this issue and in later ones. If decisions contradict each other, the newer one
    counts.
    """
    return _decided(app, one, other, same=True)


@command(articles)
@_one
@_other
def different(app: "App", one: int, other: int) -> Result:
    """Decide that articles A and B report different stories.

    They then never become one story, neither in this issue nor in a later one. If decisions contradict each other, the
    newer one counts.
    """
    return _decided(app, one, other, same=False)


def _decided(app: "App", one: int, other: int, *, same: bool) -> Result:
    from mailer.articles import decided_pairs

    decision, contradicted = decided_pairs.decide(app, one, other, same=same)
    if not wants_json():
        _print_notes(
            [
                f"The new decision contradicts this one, which no longer counts: {_sentence(each)}"
                for each in contradicted
            ]
        )
        _print_notes([_FROM_NOW_ON])
    return Result({**_pair(decision), "contradicted": [_pair(each) for each in contradicted]}, _sentence(decision))


@command(articles)
@click.option("--forget", nargs=2, type=NUMBER, metavar="A B", help="Withdraw the decision about articles A and B.")
def pairs(app: "App", forget: tuple[int, int] | None) -> Result:
    """List what editors decided with `same` and `different`, the newest decision first."""
    from mailer.articles import decided_pairs

    if forget:
        decided_pairs.forget(app, *forget)
        if not wants_json():
            _print_notes([_FROM_NOW_ON])
        return Result(
            {"forgotten": sorted(forget)}, f"There is no longer a decision about {forget[0]} and {forget[1]}."
        )
    found = decided_pairs.every(app)
    lines = [
        f"{local(app, each.pair.at)}  {_sentence(each)}{'' if each.counts else '  (newer decisions contradict it)'}"
        for each in found
    ]
    return Result(
        [_pair(each) for each in found], "\n".join(lines) or "There are no decisions about pairs of articles."
    )


def _pair(decision: "Decision") -> dict[str, object]:
    return {
        "same": decision.pair.same,
        "articles": [attributes(each, "id", "title") for each in (decision.one, decision.other)],
        "at": decision.pair.at,
        "counts": decision.counts,
    }


def _sentence(decision: "Decision") -> str:
    one, other = (f"{each.id} «{each.title}»" for each in (decision.one, decision.other))
    return f"{one} and {other}: {'the same story' if decision.pair.same else 'different stories'}"
