"""Makes small copies of the stories' pictures, which this program then serves (`theme.images = "host"`).

A picture is fetched once, while the issue is a draft. The file name of the copy is made from the picture's address, so
that other processes and later drafts find the copy. A story whose picture cannot be fetched appears without a picture,
because mails do not wait for pictures. Each copy is a small JPEG, which every mail program can show. The JPEG contains
only the picture and nothing else from the original file, such as the location, comments or further frames.
"""

import hashlib
import io
import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Literal

from PIL import Image, ImageOps, UnidentifiedImageError

from mailer.context import App
from mailer.errors import MailerError, UnreadableInput
from mailer.model import ChosenStory
from mailer.text.links import web_address

log = logging.getLogger(__name__)
_AT_ONCE = 4


# --- copies ----------------------------------------------------------------------------------------------------------
Size = Literal["hero", "thumb", "block"]
SIZES: tuple[Size, ...] = ("hero", "thumb")  # the sizes of a story's picture
# Maximum width and height of each copy in pixels, and its maximum size in bytes. For high-resolution screens, the width
# is twice the width at which the copy is shown. A story's picture is cropped to the shape of its size. A block's
# picture keeps its own shape, because a sponsor's picture may contain words, which must not be cut off.
_SHAPE: dict[Size, tuple[int, int]] = {"hero": (1088, 612), "thumb": (240, 180), "block": (1016, 1016)}
_BYTES: dict[Size, int] = {"hero": 120_000, "thumb": 30_000, "block": 120_000}
_PIXELS = 25_000_000  # maximum; checked in the header before decoding, because a few kB can become gigabytes
_LEAST = 100  # pixels; smaller pictures are tracking pixels and icons
_FILE_BYTES = 20_000_000  # largest picture file of a block; fetched pictures have the limit of `sources.fetch`
_FORMATS = ("JPEG", "PNG", "GIF", "WEBP")  # formats that are read; the copies are always JPEG
# If the height of a picture is cropped, this share of the loss is at the top. It is small, because faces are usually in
# the upper part of a picture.
_ABOVE = 0.15
# Transparent pixels get the colour of the card behind the picture, because JPEG has no transparency.
_GROUND = (255, 254, 251)


def smaller(data: bytes, size: Size) -> bytes:
    """Return the picture as a JPEG in the shape of `size`, within its width and bytes.

    A story's picture is cropped to this shape; a block's picture keeps its own. A smaller picture is not enlarged.
    Raises UnreadableInput if `data` is not a picture, is broken, has another format, or is too small or too large.
    """
    try:
        with Image.open(io.BytesIO(data), formats=_FORMATS) as opened:
            if opened.width * opened.height > _PIXELS:
                raise UnreadableInput(f"The picture has {opened.width}×{opened.height} pixels, which is too many.")
            if min(opened.size) < _LEAST:
                raise UnreadableInput(f"The picture has only {opened.width}×{opened.height} pixels.")
            shape = _SHAPE[size]
            opened.draft("RGB", (shape[0], shape[0]))  # decode a JPEG only as finely as needed
            picture = ImageOps.exif_transpose(opened)
            picture = picture.convert("RGB" if picture.mode in ("RGB", "L", "CMYK", "YCbCr") else "RGBA")
    except UnidentifiedImageError as error:
        raise UnreadableInput(f"It is not a picture in one of these formats: {', '.join(_FORMATS)}.") from error
    except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError) as error:
        raise UnreadableInput(f"The picture is broken: {error}.") from error
    if size == "block":
        picture.thumbnail(shape, Image.Resampling.LANCZOS)
    else:
        width = min(shape[0], picture.width, picture.height * shape[0] // shape[1])
        fitting = (width, max(1, width * shape[1] // shape[0]))
        picture = ImageOps.fit(picture, fitting, Image.Resampling.LANCZOS, centering=(0.5, _ABOVE))
    if picture.mode == "RGBA":
        ground = Image.new("RGBA", picture.size, (*_GROUND, 255))
        picture = Image.alpha_composite(ground, picture).convert("RGB")
    picture.info = {}  # Pillow would copy a JPEG's comment and a PNG's texts into the new file
    return _within(picture, _BYTES[size])


def _within(picture: Image.Image, most: int) -> bytes:
    """Return the picture as a JPEG of at most `most` bytes.

    Lowers the quality first and, if that is not enough, also the width and height.
    """
    while True:
        for quality in (82, 74, 66, 58, 50):
            out = io.BytesIO()
            picture.save(out, "JPEG", quality=quality, optimize=True, progressive=True)
            if out.tell() <= most:
                return out.getvalue()
        picture = picture.resize((picture.width * 3 // 4, max(1, picture.height * 3 // 4)), Image.Resampling.LANCZOS)


# --- the pictures of an issue ----------------------------------------------------------------------------------------
def prepare(app: App, stories: tuple[ChosenStory, ...]) -> None:
    """Fetch the pictures that are missing. Uses the network, so the caller must not be inside a transaction."""
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
                # One picture at a time, because a decoded picture needs much memory.
                made = {size: smaller(data, size) for size in SIZES}
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
    """Return the stories with the addresses of their hosted pictures, or with "" for a picture that is missing."""
    if app.settings.theme.images != "host":
        return stories
    first = min((story.position for story in stories), default=0)
    return tuple(
        replace(story, image_url=_address(app, story.image_url, "hero" if story.position == first else "thumb"))
        for story in stories
    )


# --- the pictures of blocks ------------------------------------------------------------------------------------------
# A block's picture is always copied, even if `theme.images` is "link": a sponsor's server must not learn who reads.
def copied(app: App, source: str) -> str:
    """Copy the picture of a block, and return the file name of the copy.

    `source` is a path or an https address. A file is copied again when its content changes; an address is fetched once.
    Raises MailerError if the picture cannot be read or fetched. Uses the network, so the caller must not be inside a
    transaction.
    """
    if "://" not in source:
        data = _read(app.settings.path(Path(source)))
        file = _named(app, hashlib.sha256(data), "block")
    else:
        address = web_address(source)
        if not address.startswith("https://"):
            raise UnreadableInput(f"{source}: the address of a picture must begin with https://.")
        file = _file(app, address, "block")
        if file.exists():
            return file.name
        if app.fetch_picture is None:
            raise UnreadableInput(f"{address} cannot be fetched here.", "Download it, and name the file.")
        data = app.fetch_picture(address)
    if not file.exists():
        try:
            made = smaller(data, "block")
        except UnreadableInput as error:
            raise UnreadableInput(f"{source}: {error.message}", error.fix) from error
        _write(file, made)
    return file.name


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(_FILE_BYTES + 1)
    except OSError as error:
        raise UnreadableInput(f"The picture {path} cannot be read: {error.strerror}.") from error
    if len(data) > _FILE_BYTES:
        raise UnreadableInput(f"The picture {path} has more than {_FILE_BYTES // 1_000_000} MB.", "Make it smaller.")
    return data


def address_of(app: App, name: str) -> str:
    """Return the public address of the copy with this file name."""
    return app.url(f"/media/pictures/{name}")


def _address(app: App, image_url: str, size: Size) -> str:
    address = web_address(image_url)
    file = _file(app, address, size)
    return address_of(app, file.name) if address and file.exists() else ""


def _file(app: App, address: str, size: Size) -> Path:
    return _named(app, hashlib.sha256(address.encode()), size)


def _named(app: App, hashed: "hashlib._Hash", size: Size) -> Path:
    return app.settings.folder / "media" / "pictures" / f"{hashed.hexdigest()[:32]}-{size}.jpg"
