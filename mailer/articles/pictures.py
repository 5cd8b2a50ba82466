"""Makes small copies of the stories' pictures, which this program then serves (`theme.images = "host"`).

A picture is fetched once, while the issue is a draft. Its file is named after its address, so that other processes and
later drafts find the file. A story whose picture cannot be fetched is shown as text, because a mail never waits for a
picture.
"""

import hashlib
import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from tempfile import NamedTemporaryFile

from mailer.context import App
from mailer.errors import MailerError
from mailer.mail.pictures import SIZES, Size, smaller
from mailer.model import ChosenStory
from mailer.text.links import web_address

log = logging.getLogger(__name__)
_AT_ONCE = 4


def prepare(app: App, stories: tuple[ChosenStory, ...]) -> None:
    """Fetch the pictures that are missing. This uses the network, so it must not run inside a transaction."""
    if app.settings.theme.images != "host" or app.fetch_picture is None:
        return
    wanted = {address for story in stories if (address := web_address(story.image_url))}
    missing = sorted(each for each in wanted if not all(_file(app, each, size).exists() for size in SIZES))
    fetch = app.fetch_picture
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        fetched = [pool.submit(fetch, address) for address in missing]
        for address, waiting in zip(missing, fetched, strict=True):
            try:
                data = waiting.result()
                made = {size: smaller(data, size) for size in SIZES}  # one at a time: unpacked, a picture is large
            except MailerError as error:
                log.warning("A story has no picture: %s", error)
                continue
            for size, content in made.items():
                _write(_file(app, address, size), content)


def _write(path: Path, content: bytes) -> None:
    """Write the file completely or not at all, because another process may already serve it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with NamedTemporaryFile(dir=path.parent, delete=False) as out:
        out.write(content)
    temporary = Path(out.name)
    temporary.chmod(0o644)
    temporary.replace(path)


def hosted(app: App, stories: tuple[ChosenStory, ...]) -> tuple[ChosenStory, ...]:
    """Return the stories with the addresses of the hosted pictures. A story whose picture is missing has no address."""
    if app.settings.theme.images != "host":
        return stories
    first = min((story.position for story in stories), default=0)
    return tuple(
        replace(story, image_url=_address(app, story.image_url, "hero" if story.position == first else "thumb"))
        for story in stories
    )


def _address(app: App, image_url: str, size: Size) -> str:
    address = web_address(image_url)
    file = _file(app, address, size)
    return app.url(f"/media/pictures/{file.name}") if address and file.exists() else ""


def _file(app: App, address: str, size: Size) -> Path:
    name = hashlib.sha256(address.encode()).hexdigest()[:32]
    return app.settings.folder / "media" / "pictures" / f"{name}-{size}.jpg"
