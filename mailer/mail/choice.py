"""An issue with some of its stories only: for readers who chose sections, and for the public after a redaction."""

from collections.abc import Sequence
from dataclasses import replace

from mailer.mail import view
from mailer.model import ChosenStory, Issue
from mailer.text.locales import FA, Locale

LEAST = 3  # stories; fewer are no issue


def of_sections(issue: Issue, sections: Sequence[str], locale: Locale = FA) -> Issue | None:
    """The issue as readers of these sections get it; None: as everybody does, as too little or nothing is left out."""
    stories = [story for story in issue.stories if (story.section or view.REST) in sections]
    if len(stories) < LEAST or len(stories) == len(issue.stories):
        return None
    return only(issue, stories, locale)


def redacted(issue: Issue, stories: Sequence[ChosenStory], locale: Locale = FA) -> Issue:
    """The issue as the public sees it without some of its stories. What editors wrote over it may tell of them, so
    subject and opening words are those made from what is left."""
    if len(stories) == len(issue.stories):
        return issue
    left = only(issue, stories, locale)
    return replace(left, subject=view.subject(left.stories, locale), intro="")


def only(issue: Issue, stories: Sequence[ChosenStory], locale: Locale = FA) -> Issue:
    """The issue with only these of its stories, in order. When its lead is gone, so are the words made from it."""
    if len(stories) == len(issue.stories):
        return issue
    numbered = tuple(replace(story, position=number) for number, story in enumerate(stories, 1))
    if stories and stories[0].article_id == issue.stories[0].article_id:
        return replace(issue, stories=numbered, preheader="")
    return replace(issue, stories=numbered, subject=view.subject(numbered, locale), preheader="")
