"""Lists the raw categories of the stored articles, each with the newsletter section to which its articles go."""

from dataclasses import dataclass
from datetime import datetime

from mailer.choice import build
from mailer.context import App
from mailer.model import OTHER_NEWS
from mailer.store import articles


@dataclass(frozen=True, slots=True)
class Category:
    """A raw category of the sources, the number of its articles, and the section to which they go."""

    category: str
    articles: int
    section: str
    mapped: bool  # False if the settings do not map this category; its articles then go to other news


def categories(app: App, since: datetime) -> list[Category]:
    """Returns the categories of the articles dated at or after `since`. Categories that the settings do not map come
    first; in each group, the most frequent category comes first."""
    sections = app.settings.newsletter.sections
    section_of, other_is_chosen = build.section_of(sections), OTHER_NEWS in sections.values()
    found = []
    for name, count in app.store.read(lambda tx: articles.categories(tx, since)).items():
        section = section_of(name)
        found.append(Category(name, count, section, section != OTHER_NEWS or other_is_chosen))
    return sorted(found, key=lambda each: (each.mapped, -each.articles, each.category))
