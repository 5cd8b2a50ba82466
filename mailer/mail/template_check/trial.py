"""Renders a set of templates with the sample issues and checks every rule that needs no browser (`templates check`)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from zoneinfo import ZoneInfo

from mailer.errors import UnreadableInput
from mailer.mail import placeholders, service_mails, view
from mailer.mail.render import Renderer, fitted
from mailer.mail.template_check import rules, sample_issues
from mailer.mail.template_check.rules import Finding
from mailer.model import ChosenStory, DeliveryKind, Rendered
from mailer.settings import Newsletter
from mailer.text.characters import RLM


@dataclass(frozen=True, slots=True)
class Trial(Rendered):
    """A sample mail as one reader gets it. `raw` is the HTML of the mail before its styles were inlined."""

    raw: str


def mail(renderer: Renderer, case: str) -> Trial:
    """Renders one of the sample CASES or SERVICE_MAILS. Raises UnreadableInput if a template is wrong."""
    kind = sample_issues.SERVICE_MAILS.get(case, DeliveryKind.ISSUE)
    if kind in _SERVICE_VALUES:
        values = _SERVICE_VALUES[kind](renderer, case)
        rendered = renderer.mail(kind, values)
    else:
        kind = DeliveryKind.ISSUE  # a test mail is the issue with another subject
        rendered, values = _issue(renderer, case)
    own = {**sample_issues.READER, "greeting": view.greeting(sample_issues.READER_NAME, renderer.locale)}
    subject = service_mails.trial_subject(rendered.subject, renderer.locale) if case == "test" else rendered.subject
    return Trial(
        subject,
        placeholders.fill(rendered.html, own, "html"),
        placeholders.fill(rendered.text, own, "text"),
        placeholders.fill(renderer.raw(kind, values), own, "html"),
    )


def _newsletter(renderer: Renderer) -> Newsletter:
    return sample_issues.newsletter(renderer.locale.code)


def _issue(renderer: Renderer, case: str) -> tuple[Rendered, dict[str, object]]:
    """Returns the mail of a sample issue, shortened until it fits, and the values with which it was rendered last."""
    issue = sample_issues.issue(case)
    values: dict[str, object] = {}

    def render(stories: tuple[ChosenStory, ...]) -> Rendered:
        nonlocal values
        values = view.issue_view(
            replace(issue, stories=stories),
            _newsletter(renderer),
            archive_url=sample_issues.ARCHIVE_URL,
            locale=renderer.locale,
            most_read=sample_issues.most_read(case),
            preferences=True,
        )
        return renderer.mail(DeliveryKind.ISSUE, values)

    return fitted(issue.stories, render), values


def _notice(renderer: Renderer, case: str) -> dict[str, object]:
    newsletter = _newsletter(renderer)
    return service_mails.notice(
        sample_issues.issue(case),
        newsletter,
        editor_url=sample_issues.EDITOR_URL,
        zone=ZoneInfo(newsletter.timezone),
        locale=renderer.locale,
    )


def _confirmation(renderer: Renderer, case: str) -> dict[str, object]:
    return service_mails.confirmation(_newsletter(renderer), 7, renderer.locale)


def _reminder(renderer: Renderer, case: str) -> dict[str, object]:
    return service_mails.reminder(_newsletter(renderer), date(2026, 12, 1), renderer.locale)


def _welcome(renderer: Renderer, case: str) -> dict[str, object]:
    issue = sample_issues.issue(case)
    return service_mails.welcome(
        issue,
        _newsletter(renderer),
        archive_url=sample_issues.ARCHIVE_URL if issue.stories else "",
        next_day=date(2026, 12, 3),
        locale=renderer.locale,
    )


_SERVICE_VALUES: Mapping[DeliveryKind, Callable[[Renderer, str], dict[str, object]]] = {
    DeliveryKind.NOTICE: _notice,
    DeliveryKind.CONFIRMATION: _confirmation,
    DeliveryKind.REMINDER: _reminder,
    DeliveryKind.WELCOME: _welcome,
}


def page(renderer: Renderer, name: str) -> str:
    """Renders one of the sample PAGES. Raises UnreadableInput if a template is wrong."""
    own = sample_issues.PAGES[name]
    if name == "editor":
        own = {**_notice(renderer, "notice"), **own}
    return renderer.page(name, view.page_view(_newsletter(renderer)) | own)


def findings(renderer: Renderer) -> dict[str, list[Finding]]:
    """Returns the violations, grouped by template if there are syntax errors, otherwise by sample mail and page."""
    templates = [name for name in renderer.names() if not name.endswith(".po")]
    found = {name: _judged(_syntax, renderer, name) for name in templates}
    if not any(found.values()):
        found = {case: _judged(_mail, renderer, case) for case in (*sample_issues.CASES, *sample_issues.SERVICE_MAILS)}
        found |= {f"page/{name}.html": _judged(_page, renderer, name) for name in sample_issues.PAGES}
    return {name: wrong for name, wrong in found.items() if wrong}


def _judged(judge: Callable[[Renderer, str], list[Finding]], renderer: Renderer, name: str) -> list[Finding]:
    try:
        return judge(renderer, name)
    except UnreadableInput as error:
        return [Finding("syntax", str(error))]
    except ValueError as error:  # a placeholder without a value
        return [Finding("slot", str(error))]


def _syntax(renderer: Renderer, name: str) -> list[Finding]:
    renderer.check(name)
    return []


def _page(renderer: Renderer, name: str) -> list[Finding]:
    return rules.page(page(renderer, name), renderer.locale)


def _mail(renderer: Renderer, case: str) -> list[Finding]:
    tried = mail(renderer, case)
    found = rules.mail(tried.html, tried.text, raw=tried.raw, locale=renderer.locale, own_words=case != "hostile")
    purpose = sample_issues.PURPOSE[sample_issues.SERVICE_MAILS.get(case, DeliveryKind.ISSUE)]
    for name, part in (("HTML", tried.html), ("text part", tried.text)):
        if purpose not in part:
            found.append(Finding("purpose", f"the {name} lacks the link that such a mail must have: {purpose}"))
    if sample_issues.SERVICE_MAILS.get(case) is DeliveryKind.WELCOME:
        words = tried.subject.strip(RLM)
        for name, part in (("mail/issue.txt", tried.text), ("mail/issue.html", tried.raw.partition("</h1>")[2])):
            if words not in part:
                found.append(Finding("welcome", f"{name} lacks the block `opening`, which the welcome mail replaces"))
    if sample_issues.SERVICE_MAILS.get(case) is None:
        found += rules.subject(tried.subject, tried.html, renderer.locale)
    for block in sample_issues.issue(case).blocks:
        for name, part in (("HTML", tried.html), ("text part", tried.text)):
            if block.title not in part:
                found.append(Finding("blocks", f"the {name} lacks the blocks with the place {block.place}"))
    return found
