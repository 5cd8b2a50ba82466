"""Makes the demo's news: invented articles of the last seven days, and the small site to which their links lead.

People, firms and events are invented. The product stores and chooses the articles like those of a newsroom. The texts
are in `articles.jsonl`, one JSON object per line. `hours` is the age of the article in hours.
"""

import json
import shutil
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path

from mailer.demo.pages import ENVIRONMENT, TEMPLATES, date_and_time
from mailer.model import FoundArticle

OUTLETS = {"panjereh.example": "پنجره", "roozgar.example": "روزگار", "shahrnegar.example": "شهرنگار"}
_HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sample:
    """One line of articles.jsonl. `body` has the paragraphs; `image` is a file name without ".jpg", or empty."""

    slug: str
    hours: float
    source: str
    category: str
    title: str
    lead: str
    body: list[str]
    tags: list[str]
    views: int | None
    image: str
    image_alt: str


@cache
def _samples() -> tuple[_Sample, ...]:
    lines = (_HERE / "articles.jsonl").read_text(encoding="utf-8").splitlines()
    return tuple(_Sample(**json.loads(line)) for line in lines)


def articles(now: datetime, base_url: str) -> tuple[FoundArticle, ...]:
    """Returns the articles as a source would, all from the seven days before `now`, which must have a time zone.

    `base_url` is the address of the product's pages, without a final slash. Links and pictures have addresses under
    `base_url`/media.
    """
    return tuple(
        FoundArticle(
            guid=f"demo-{sample.slug}",
            title=sample.title,
            source=sample.source,
            url=f"{base_url}/media/news/{sample.slug}.html",
            lead=sample.lead,
            body="\n".join(sample.body),
            category=sample.category,
            tags=tuple(sample.tags),
            image_url=f"{base_url}/media/images/{sample.image}.jpg" if sample.image else "",
            image_alt=sample.image_alt,
            published=now - timedelta(hours=sample.hours),
            views=sample.views,
        )
        for sample in _samples()
    )


def write_site(folder: Path, base_url: str, now: datetime) -> None:
    """Writes the page of every article to `folder`/news and the pictures to `folder`/images.

    The product serves the folder under /media with a policy that allows neither scripts nor inline styles, so the pages
    use a style sheet in a file. Links between the pages are relative, so the folder may be moved.
    """
    template = ENVIRONMENT.get_template("article.html")
    news, images = folder / "news", folder / "images"
    for each in (news, images):
        each.mkdir(parents=True, exist_ok=True)
    for sample in _samples():
        page = template.render(
            article=sample,
            outlet=OUTLETS[sample.source],
            date=date_and_time(now - timedelta(hours=sample.hours), "%H:%M"),
            url=f"{base_url}/media/news/{sample.slug}.html",
            more=_neighbours(sample),
        )
        (news / f"{sample.slug}.html").write_text(page, encoding="utf-8")
    shutil.copyfile(TEMPLATES / "news.css", news / "news.css")
    for picture in sorted((_HERE / "images").glob("*.jpg")):
        shutil.copyfile(picture, images / picture.name)


def _neighbours(sample: _Sample) -> list[_Sample]:
    """Returns three other articles of the same section. The page of `sample` links to these articles."""
    section = [other for other in _samples() if other.category == sample.category]
    place = section.index(sample)
    return [section[(place + step) % len(section)] for step in (1, 2, 3)]
