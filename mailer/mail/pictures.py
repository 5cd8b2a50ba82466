"""Re-encodes a picture from outside as a small JPEG, which every mail program can show.

Re-encoding drops everything in the file except the picture: locations, programs, other frames. `sources` fetches
pictures, `articles.pictures` stores them.
"""

import io
from typing import Literal, get_args

from PIL import Image, ImageOps, UnidentifiedImageError

from mailer.errors import UnreadableInput

Size = Literal["hero", "thumb"]
SIZES: tuple[Size, ...] = get_args(Size)
# Twice the width at which it is shown, for sharp screens; and the most bytes it may have.
_WIDTH: dict[Size, int] = {"hero": 1088, "thumb": 240}
_BYTES: dict[Size, int] = {"hero": 120_000, "thumb": 30_000}
_PIXELS = 25_000_000  # a few kB can decompress to gigabytes, so the size in the header is checked first
_LEAST = 100  # smaller pictures are tracking pixels and icons
_FORMATS = ("JPEG", "PNG", "GIF", "WEBP")  # read; what is written is always JPEG
_GROUND = (255, 254, 251)  # the colour of the card behind the picture, as JPEG has no transparency


def smaller(data: bytes, size: Size) -> bytes:
    """Returns the picture as a JPEG within the width and bytes of one of the SIZES.

    Raises UnreadableInput if the data is not a picture, is broken, has another format, or is too small or too large.
    """
    try:
        with Image.open(io.BytesIO(data), formats=_FORMATS) as opened:
            if opened.width * opened.height > _PIXELS:
                raise UnreadableInput(f"The picture has {opened.width}×{opened.height} pixels, which is too many.")
            if min(opened.size) < _LEAST:
                raise UnreadableInput(f"The picture has only {opened.width}×{opened.height} pixels.")
            width = _WIDTH[size]
            opened.draft("RGB", (width, width))  # decodes a JPEG only as finely as needed
            picture = ImageOps.exif_transpose(opened)
            picture = picture.convert("RGB" if picture.mode in ("RGB", "L", "CMYK", "YCbCr") else "RGBA")
    except UnidentifiedImageError as error:
        raise UnreadableInput(f"It is not a picture in one of these formats: {', '.join(_FORMATS)}.") from error
    except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError) as error:
        raise UnreadableInput(f"The picture is broken: {error}.") from error
    if picture.width > width:
        picture = picture.resize((width, max(1, picture.height * width // picture.width)), Image.Resampling.LANCZOS)
    if picture.height > picture.width * 2:  # a taller picture would push the news off the screen
        picture = picture.crop((0, 0, picture.width, picture.width * 2))
    if picture.mode == "RGBA":
        ground = Image.new("RGBA", picture.size, (*_GROUND, 255))
        picture = Image.alpha_composite(ground, picture).convert("RGB")
    picture.info = {}  # Pillow would copy a JPEG's comment and a PNG's texts into the new file
    return _within(picture, _BYTES[size])


def _within(picture: Image.Image, most: int) -> bytes:
    """Returns a JPEG of at most `most` bytes: of lower quality and, if that is not enough, also smaller."""
    while True:
        for quality in (82, 74, 66, 58, 50):
            out = io.BytesIO()
            picture.save(out, "JPEG", quality=quality, optimize=True, progressive=True)
            if out.tell() <= most:
                return out.getvalue()
        picture = picture.resize((picture.width * 3 // 4, max(1, picture.height * 3 // 4)), Image.Resampling.LANCZOS)
