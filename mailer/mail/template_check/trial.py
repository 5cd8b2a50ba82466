"""A set of templates tried on the specimen issues: every rule that needs no browser, for `templates check`."""

from dataclasses import dataclass, replace
from zoneinfo import ZoneInfo

from mailer.errors import UnreadableInput
from mailer.mail import bidi, placeholders, service_mails, view
from mailer.mail.render import Renderer, fitted
from mailer.mail.template_check import rules, sample_issues
from mailer.mail.template_check.rules import Finding
from mailer.model import ChosenStory, DeliveryKind, Rendered
from mailer.text.characters import RLM


@dataclass(frozen=True, slots=True)
class Trial:
    """The mail of a case as one reader gets it, and the HTML before its styles were inlined."""

    subject: str
    html: str
    text: str
    raw: str


def mail(renderer: Renderer, case: str) -> Trial:
    """One of the specimen's CASES or LETTERS through these templates. UnreadableInput: one of them is wrong."""
    kind = sample_issues.SERVICE_MAILS.get(case, DeliveryKind.ISSUE)
    if kind in (DeliveryKind.NOTICE, DeliveryKind.CONFIRMATION):
        values = _notice(renderer, case) if kind is DeliveryKind.NOTICE else _confirmation(renderer)
        rendered = renderer.mail(kind, values)
    else:
        kind = DeliveryKind.ISSUE  # a test mail is the issue itself, but for its subject
        rendered, values = _issue(renderer, case)
    own = {**sample_issues.READER, "greeting": view.greeting(sample_issues.READER_NAME, renderer.locale)}
    subject = service_mails.trial_subject(rendered.subject, renderer.locale) if case == "test" else rendered.subject
    return Trial(
        subject,
        placeholders.fill(rendered.html, own, "html"),
        placeholders.fill(rendered.text, own, "text"),
        placeholders.fill(renderer.raw(kind, values), own, "html"),
    )


def _issue(renderer: Renderer, case: str) -> tuple[Rendered, dict[str, object]]:
    """The mail made to fit, and the values that it was made of in the end."""
    issue = sample_issues.issue(case)
    values: dict[str, object] = {}

    def render(stories: tuple[ChosenStory, ...]) -> Rendered:
        nonlocal values
        values = view.issue_view(
            replace(issue, stories=stories),
            sample_issues.NEWSLETTER,
            archive_url=sample_issues.ARCHIVE_URL,
            locale=renderer.locale,
            most_read=sample_issues.most_read(case),
            preferences=True,
        )
        return renderer.mail(DeliveryKind.ISSUE, values)

    return fitted(issue.stories, render), values


def _notice(renderer: Renderer, case: str) -> dict[str, object]:
    newsletter = sample_issues.NEWSLETTER
    zone = ZoneInfo(newsletter.timezone)
    issue = sample_issues.issue(case)
    return service_mails.notice(
        issue, newsletter, editor_url=sample_issues.EDITOR_URL, zone=zone, locale=renderer.locale
    )


def _confirmation(renderer: Renderer) -> dict[str, object]:
    return service_mails.confirmation(sample_issues.NEWSLETTER, 7, renderer.locale)


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
    for case in (*sample_issues.CASES, *sample_issues.SERVICE_MAILS):
        try:
            found[case] = _of(renderer, case)
        except UnreadableInput as error:
            found[case] = [Finding("syntax", str(error))]
        except ValueError as error:  # a slot that nobody fills
            found[case] = [Finding("slot", str(error))]
    for name in sample_issues.PAGES:
        try:
            found[f"page/{name}.html"] = rules.page(page(renderer, name), renderer.locale)
        except UnreadableInput as error:
            found[f"page/{name}.html"] = [Finding("syntax", str(error))]
    return {case: wrong for case, wrong in found.items() if wrong}


def page(renderer: Renderer, name: str) -> str:
    """One of the specimen's PAGES through these templates. UnreadableInput: it is wrong."""
    own = (
        {**_notice(renderer, "notice"), **sample_issues.PAGES[name]} if name == "editor" else sample_issues.PAGES[name]
    )
    return renderer.page(name, view.page_view(sample_issues.NEWSLETTER) | own)


def _of(renderer: Renderer, case: str) -> list[Finding]:
    tried = mail(renderer, case)
    found = rules.mail(tried.html, tried.text, raw=tried.raw, locale=renderer.locale, own_words=case != "hostile")
    purpose = sample_issues.PURPOSE[sample_issues.SERVICE_MAILS.get(case, DeliveryKind.ISSUE)]
    for name, part in (("HTML", tried.html), ("text part", tried.text)):
        if purpose not in part:
            found.append(Finding("purpose", f"the {name} lacks the link that such a mail must have: {purpose}"))
    if tried.subject != bidi.subject(tried.subject.removeprefix(RLM), renderer.locale):
        found.append(Finding("subject", "it begins with Latin and without its mark of direction"))
    if case != "test" and not 0 < len(tried.subject) <= view.SUBJECT_LETTERS:
        found.append(Finding("subject", f"{len(tried.subject)} letters, where {view.SUBJECT_LETTERS} are seen"))
    return found
