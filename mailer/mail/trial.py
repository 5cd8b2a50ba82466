"""A set of templates tried on the specimen issues: every rule that needs no browser, for `templates check`."""

from dataclasses import dataclass, replace

from mailer.errors import UnreadableInput
from mailer.mail import bidi, checks, slots, specimen, view
from mailer.mail.checks import Finding
from mailer.mail.render import Rendered, Renderer
from mailer.mail.size import fitted
from mailer.mail.text import RLM
from mailer.model import ChosenStory, DeliveryKind


@dataclass(frozen=True, slots=True)
class Trial:
    """The mail of a case as one reader gets it, and the HTML before its styles were inlined."""

    subject: str
    html: str
    text: str
    raw: str


def mail(renderer: Renderer, case: str) -> Trial:
    """The specimen issue `case` through these templates. UnreadableInput: one of them is wrong."""
    issue = specimen.issue(case)
    shown: list[dict[str, object]] = []

    def render(stories: tuple[ChosenStory, ...]) -> Rendered:
        shown.append(_values(renderer, case, stories))
        return renderer.mail(DeliveryKind.ISSUE, shown[-1])

    rendered = fitted(issue.stories, render)
    return Trial(
        rendered.subject,
        slots.fill(rendered.html, specimen.READER, "html"),
        slots.fill(rendered.text, specimen.READER, "text"),
        slots.fill(renderer.raw(DeliveryKind.ISSUE, shown[-1]), specimen.READER, "html"),
    )


def _values(renderer: Renderer, case: str, stories: tuple[ChosenStory, ...]) -> dict[str, object]:
    return view.issue_view(
        replace(specimen.issue(case), stories=stories),
        specimen.NEWSLETTER,
        archive_url=specimen.ARCHIVE_URL,
        locale=renderer.locale,
        most_read=specimen.most_read(case),
        preferences=True,
    )


def findings(renderer: Renderer) -> dict[str, list[Finding]]:
    """What is wrong, by case or by template; empty when all is well."""
    found: dict[str, list[Finding]] = {}
    for name in renderer.names():
        try:
            if not name.endswith(".po"):
                renderer.check(name)
        except UnreadableInput as error:
            found[name] = [Finding("syntax", str(error))]
    if found:
        return found
    for case in specimen.CASES:
        try:
            found[case] = _of(renderer, case)
        except UnreadableInput as error:
            found[case] = [Finding("syntax", str(error))]
        except ValueError as error:  # a slot that nobody fills
            found[case] = [Finding("slot", str(error))]
    return {case: wrong for case, wrong in found.items() if wrong}


def _of(renderer: Renderer, case: str) -> list[Finding]:
    tried = mail(renderer, case)
    found = checks.mail(tried.html, tried.text, raw=tried.raw, locale=renderer.locale, own_words=case != "hostile")
    for name, part in (("HTML", tried.html), ("text part", tried.text)):
        if specimen.UNSUBSCRIBE_URL not in part:
            found.append(Finding("unsubscribe", f"the {name} offers no way to leave"))
    if tried.subject != bidi.subject(tried.subject.removeprefix(RLM), renderer.locale):
        found.append(Finding("subject", "it begins with Latin and without its mark of direction"))
    if not 0 < len(tried.subject) <= view.SUBJECT_LETTERS:
        found.append(Finding("subject", f"{len(tried.subject)} letters, where {view.SUBJECT_LETTERS} are seen"))
    return found
