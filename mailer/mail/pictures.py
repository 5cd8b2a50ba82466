"""A picture from outside, drawn anew: small, in a format that every mail program knows, with nothing hidden in it.

Drawing anew drops whatever a file carries besides its picture: places, programs, other frames. It neither fetches nor
stores.
"""

import io
from typing import Literal, get_args

from PIL import Image, ImageOps, UnidentifiedImageError

from mailer.errors import UnreadableInput

Size = Literal["hero", "thumb"]
SIZES: tuple[Size, ...] = get_args(Size)
# Twice what is shown, for sharp screens; and the most bytes it may have.
_WIDTH: dict[Size, int] = {"hero": 1088, "thumb": 240}
_BYTES: dict[Size, int] = {"hero": 120_000, "thumb": 30_000}
_PIXELS = 25_000_000  # a few kB can unfold to gigabytes: looked up in the header, before anything is unfolded
_LEAST = 100  # counting pixels and icons are no pictures of a story
_FORMATS = ("JPEG", "PNG", "GIF", "WEBP")  # what we can read; what we write is always JPEG
_GROUND = (255, 254, 251)  # the card that the picture lies on: JPEG knows no transparency


def smaller(data: bytes, size: Size) -> bytes:
    """The picture as a JPEG for one of the SIZES: no wider and no heavier than that takes.

    UnreadableInput: it is no picture, broken, of another format, too small to show or too large to unfold.
    """
    try:
        with Image.open(io.BytesIO(data), formats=_FORMATS) as opened:
            if opened.width * opened.height > _PIXELS:
                raise UnreadableInput(f"The picture has {opened.width}×{opened.height} pixels, which is too many.")
            if min(opened.size) < _LEAST:
                raise UnreadableInput(f"The picture has only {opened.width}×{opened.height} pixels.")
            width = _WIDTH[size]
            opened.draft("RGB", (width, width))  # JPEG: unfold no more than is needed
            picture = ImageOps.exif_transpose(opened)
            picture = picture.convert("RGB" if picture.mode in ("RGB", "L", "CMYK", "YCbCr") else "RGBA")
    except UnidentifiedImageError as error:
        raise UnreadableInput(f"It is no {', '.join(_FORMATS)} picture.") from error
    except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError) as error:
        raise UnreadableInput(f"The picture is broken: {error}.") from error
    if picture.width > width:
        picture = picture.resize((width, max(1, picture.height * width // picture.width)), Image.Resampling.LANCZOS)
    if picture.height > picture.width * 2:  # a tower would push the news off the screen
        picture = picture.crop((0, 0, picture.width, picture.width * 2))
    if picture.mode == "RGBA":
        ground = Image.new("RGBA", picture.size, (*_GROUND, 255))
        picture = Image.alpha_composite(ground, picture).convert("RGB")
    picture.info = {}  # Pillow writes a JPEG's comment and a PNG's texts into the new file as well
    return _within(picture, _BYTES[size])


def _within(picture: Image.Image, most: int) -> bytes:
    """Coarser, and when that does not do, smaller."""
    while True:
        for quality in (82, 74, 66, 58, 50):
            out = io.BytesIO()
            picture.save(out, "JPEG", quality=quality, optimize=True, progressive=True)
            if out.tell() <= most:
                return out.getvalue()
        picture = picture.resize((picture.width * 3 // 4, max(1, picture.height * 3 // 4)), Image.Resampling.LANCZOS)
