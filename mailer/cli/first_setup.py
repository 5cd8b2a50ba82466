"""`mailer init --site`: sets up a deployment for a news site, collects once and shows the draft of the first issue."""

import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import click

from mailer import reasons
from mailer.articles import collect
from mailer.cli.command import Result, local, opened, wants_json
from mailer.config import reference
from mailer.config.fields import Place
from mailer.context import App
from mailer.errors import UsageError, WouldOverwrite
from mailer.files import unnamed
from mailer.issues import draft, preview
from mailer.operations import first_setup
from mailer.operations.first_setup import Proposal, Sections
from mailer.sources.documents import Documents
from mailer.sources.fetch import Fetcher
from mailer.sources.site import Site, look
from mailer.text import links

_ZONE = ZoneInfo("Asia/Tehran")  # for dates without a zone, until the site's own zone is known


def addresses_of(typed: str) -> tuple[str, ...]:
    """Returns the addresses to try for the site that an admin typed. If it has no scheme, https comes before http.

    Raises UsageError if the text is not a web address.
    """
    typed = typed.strip()
    address = typed if "://" in typed else f"https://{typed}"
    parts = links.split(address)
    if parts is None or "@" in parts.netloc or any(each.isspace() for each in address):
        raise UsageError(f"--site {typed!r} is not a web address.", "Write it as https://www.example.org.")
    address = address if parts.path else f"{address}/"
    return (address,) if "://" in typed else (address, address.replace("https://", "http://", 1))


def refuse_existing(config_file: Path) -> None:
    """Raises WouldOverwrite if there is a settings file, because --site would replace that file."""
    if config_file.exists():
        raise WouldOverwrite(f"{config_file} exists already, and --site would write a new one.", "Name a new folder.")


def found_on(addresses: Sequence[str]) -> tuple[Site, Proposal]:
    """Returns what was found on a site, and the settings for it. `addresses` are tried until one answers."""
    documents = Documents()
    try:
        for address in addresses:
            _say(f"Looking at {address} …")
            site = look(address, Fetcher(), documents, zone=_ZONE, now=datetime.now(UTC))
            if not site.problem:
                break
            _say(f"  {site.problem}")
    finally:
        documents.close()
    return site, first_setup.propose(site)


def first_issue(config_file: Path, site: Site, proposal: Proposal, made: Sequence[str]) -> Result:
    """Collects once, writes the sections into the settings file, and returns the draft with everything that was found
    and chosen."""
    lines = [*_found_lines(site), "", "Chosen:", *first_setup.lines(proposal)]
    lines += [f"  not used: {each}" for each in proposal.passed_over]
    data: dict[str, Any] = {
        "folder": str(config_file.parent.resolve()),
        "made": list(made),
        "found": site.about,
        "chosen": [{"setting": _name(each.place), "value": each.value, "why": each.why} for each in proposal.choices],
        "passed_over": list(proposal.passed_over),
        "to_fill": list(proposal.to_fill),
        "sections": {},
        "unmapped": {},
        "collected": [],
        "draft": None,
    }
    drafted = False
    if "articles.feeds" in {_name(each.place) for each in proposal.choices}:
        with opened(config_file, os.environ) as app:
            _say("Collecting, which may take some minutes …")
            lines += ["", "Collected:", *_collect(app, data)]
            mapped = first_setup.sections(collect.categories(app), app.settings.newsletter.locale)
        written = _write_sections(config_file, proposal, mapped, templates="templates" in made)
        lines += ["", *_section_lines(mapped)]
        if not written:
            lines.append(f"  They were not written, because {config_file} has changed meanwhile.")
        data |= {"sections": mapped.mapped, "unmapped": mapped.unmapped}
        with opened(config_file, os.environ) as app:
            text, drafted = _draft(app, data)
            lines += ["", *text]
    lines += ["", f"To fill in, in {config_file}:", *(f"  {each}" for each in proposal.to_fill)]
    return Result(data, "\n".join(lines), 0 if drafted else 5)


def _say(text: str) -> None:
    if not wants_json():
        click.echo(text, err=True)


def _name(place: Place) -> str:
    return ".".join(map(str, place))


def _found_lines(site: Site) -> list[str]:
    if site.problem:
        return [f"The front page could not be read: {site.problem}"]
    names = ("name", "slogan", "language", "direction", "timezone", "colour", "logo", "icon", "system")
    facts = [f"  {name}: {site.about[name]}" for name in names if name in site.about]
    missing = [name for name in names if name not in site.about]
    facts += [f"  not found: {', '.join(missing)}"] if missing else []
    offers = [
        f"  {each.kind} {each.address}: " + (each.problem or f"{each.articles} articles, {each.recent} recent")
        for each in site.offers
    ]
    return [f"Found on {site.address}:", *facts, *offers, f"  {site.links} links to pages of the site"]


def _collect(app: App, data: dict[str, Any]) -> list[str]:
    lines = []
    for each in collect.collect(app):
        lines.append(f"  {each.source}: {each.problem or f'{each.added} articles'}")
        lines += [f"    {note}" for note in each.notes]
        data["collected"].append({"source": each.source, "added": each.added, "problem": each.problem})
    return lines


def settings_text(proposal: Proposal, *, templates: bool, sections: Sections | None = None) -> str:
    """Returns a config.toml with the proposed settings. With `templates`, the text names the folder templates/."""
    values: dict[Place, Any] = dict(proposal.values)
    if templates:
        values["templates",] = "templates"
    if sections:
        values["newsletter", "sections"] = sections.mapped
    return reference.config_toml(values)


def _write_sections(config_file: Path, proposal: Proposal, sections: Sections, *, templates: bool) -> bool:
    """Writes the settings again, now with sections. Returns False, and writes nothing, if the file has been edited."""
    if config_file.read_text("utf-8") != settings_text(proposal, templates=templates):
        return False
    text = settings_text(proposal, templates=templates, sections=sections)
    with unnamed(config_file) as part:
        part.touch(0o600)
        part.write_text(text, "utf-8")
        part.replace(config_file)
    return True


def _section_lines(mapped: Sections) -> list[str]:
    lines = ["Sections, by the words in the names of the categories:"] if mapped.mapped else []
    lines += [f"  {category} → {section}" for category, section in mapped.mapped.items()]
    if mapped.unmapped:
        shown = ", ".join(f"{name} ({count})" for name, count in list(mapped.unmapped.items())[:40])
        lines.append(f"  without a section, so under the last heading: {shown}")
        lines.append("  Add them under [newsletter.sections] if they deserve one.")
    return lines or ["The articles have no categories, so the newsletter has no sections."]


def _draft(app: App, data: dict[str, Any]) -> tuple[list[str], bool]:
    """Returns the draft as lines of text, and True if it has stories. Also adds the draft to `data`."""
    issue = draft.trial(app)
    notes = [f"  note: {reasons.english(note)}" for note in issue.notes]
    if not issue.stories:
        return ["There is no story for a draft yet.", *notes], False
    mail = preview.preview(app, issue)
    data["draft"] = {"slot": issue.slot, "subject": mail.subject, "stories": [each.title for each in issue.stories]}
    lines = [f"The draft of {issue.slot}, due {local(app, issue.send_at)}, as it would be now:", *notes]
    if issue.reason:
        lines.append(f"  It would be held: {reasons.english(issue.reason)}.")
    return [*lines, "", mail.subject, "", mail.text], True
