import contextlib
import io
import random
import struct
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from mailer.articles.pictures import SIZES, Size, smaller
from mailer.errors import UnreadableInput

MOST: dict[Size, tuple[int, int]] = {"hero": (1088, 120_000), "thumb": (240, 30_000)}
SHAPE: dict[Size, float] = {"hero": 16 / 9, "thumb": 4 / 3}


def noise(width: int, height: int, mode: str = "RGB") -> Image.Image:
    """Noise, the hardest picture to compress."""
    return Image.frombytes(mode, (width, height), random.Random(1).randbytes(width * height * len(mode)))


def saved(picture: Image.Image, form: str, **how: object) -> bytes:
    out = io.BytesIO()
    picture.save(out, form, **how)
    return out.getvalue()


def opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data))


@pytest.mark.parametrize("form", ["JPEG", "PNG", "GIF", "WEBP"])
@pytest.mark.parametrize("size", SIZES)
def test_every_format_becomes_a_small_jpeg(form: str, size: Size) -> None:
    drawn = smaller(saved(noise(600, 400), form), size)
    made = opened(drawn)
    width, weight = MOST[size]
    assert made.format == "JPEG"
    assert made.width <= width
    assert abs(made.width / made.height - SHAPE[size]) < 0.02
    assert len(drawn) <= weight


def test_the_heaviest_photograph_is_made_to_fit() -> None:
    drawn = smaller(saved(noise(1600, 1200), "JPEG", quality=95), "hero")
    assert len(drawn) <= 120_000
    assert 500 < opened(drawn).width <= 1088


def test_nothing_but_the_picture_is_left() -> None:
    exif = Image.Exif()
    exif[0x010E] = "secret place"
    info = PngImagePlugin.PngInfo()
    info.add_text("Comment", "secret words")
    for data in (
        saved(noise(300, 200), "JPEG", exif=exif, comment=b"secret words"),
        saved(noise(300, 200), "PNG", pnginfo=info) + b"secret tail",
    ):
        assert b"secret" in data
        assert b"secret" not in smaller(data, "thumb")


def test_a_picture_taken_sideways_is_turned_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    halves = Image.new("RGB", (400, 200))
    halves.paste((255, 255, 255), (0, 0, 200, 200))  # the left half is the upper one after the turn
    made = opened(smaller(saved(halves, "JPEG", exif=exif), "hero"))
    assert made.size == (200, 112)
    assert made.convert("L").tobytes()[0] > 200


def test_transparency_becomes_the_colour_of_the_card() -> None:
    clear = Image.new("RGBA", (200, 200), (0, 0, 0, 0))
    pixel = opened(smaller(saved(clear, "PNG"), "hero")).convert("RGB").getpixel((100, 100))
    assert isinstance(pixel, tuple)
    assert min(pixel) > 245


@pytest.mark.parametrize(
    "given", [(120, 110), (1600, 900), (900, 1600), (800, 800), (3000, 500), (200, 3000), (320, 180)]
)
@pytest.mark.parametrize("size", SIZES)
def test_every_copy_has_the_shape_of_its_place_and_none_is_enlarged(given: tuple[int, int], size: Size) -> None:
    made = opened(smaller(saved(Image.new("RGB", given), "PNG"), size))
    assert made.width <= min(given[0], MOST[size][0])
    assert made.height <= given[1]
    assert abs(made.width / made.height - SHAPE[size]) < 0.03
    whole = made.width == min(MOST[size][0], given[0]) or made.height >= given[1] - 1
    assert whole, "more was cut off than the shape asks for"


def test_what_is_cut_off_is_mostly_below() -> None:
    """Faces are in the upper part of a portrait."""
    portrait = Image.new("L", (900, 1600), 0)
    portrait.paste(255, (0, 250, 900, 500))
    made = opened(smaller(saved(portrait, "PNG"), "hero")).convert("L").resize((90, 51))
    bright = [row for row in range(51) if made.tobytes()[row * 90] > 128]
    assert bright
    assert bright[0] > 0
    assert bright[-1] < 50


def bomb(width: int, height: int) -> bytes:
    """A PNG of a few bytes whose header announces a huge picture."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0" * 4096)) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"<html>404</html>",
        b"<svg xmlns='http://www.w3.org/2000/svg' width='500' height='500'/>",
        saved(noise(300, 200), "BMP"),
        saved(noise(300, 200), "JPEG")[:3000],
        saved(noise(300, 200), "PNG")[:3000],
        saved(noise(1, 1), "GIF"),
        bomb(30_000, 30_000),
        bomb(8_000, 8_000),
        bomb(2**31 - 1, 2**31 - 1),
    ],
    ids=["empty", "page", "svg", "bmp", "half a jpeg", "half a png", "pixel", "bomb", "small bomb", "huge bomb"],
)
def test_other_data_and_unusable_pictures_are_refused(data: bytes) -> None:
    with pytest.raises(UnreadableInput):
        smaller(data, "thumb")


@settings(max_examples=40, deadline=None)
@given(st.binary(max_size=60), st.integers(0, 2000))
def test_broken_bytes_are_refused_or_decoded(junk: bytes, at: int) -> None:
    whole = saved(noise(110, 110), "PNG")
    with contextlib.suppress(UnreadableInput):
        assert opened(smaller(whole[:at] + junk + whole[at + len(junk) :], "thumb")).format == "JPEG"
