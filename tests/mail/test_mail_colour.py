import colorsys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailer.mail.colour import TEXT, contrast, palette, readable

COLOURS = st.integers(0, 0xFFFFFF).map(lambda number: f"#{number:06x}")


@pytest.mark.parametrize(
    ("one", "other", "ratio"),
    [("#000000", "#ffffff", 21), ("#777777", "#ffffff", 4.48), ("#ff0000", "#ffffff", 4.0), ("#123456", "#123456", 1)],
)
def test_contrast_is_that_of_wcag(one: str, other: str, ratio: float) -> None:
    assert contrast(one, other) == pytest.approx(ratio, abs=0.01) == contrast(other, one)


@given(COLOURS)
def test_any_accent_gives_colours_that_can_be_read(accent: str) -> None:
    made = palette(accent)
    assert contrast(made["mast"], "#fffdf8") >= TEXT
    assert contrast(made["on_mast"], made["mast"]) >= TEXT
    assert contrast(made["dark_mast"], "#fffdf8") >= TEXT
    assert contrast(made["dark_on_mast"], made["dark_mast"]) >= TEXT
    for ground in ("#fffefb", "#f1efe9"):
        assert contrast(made["link"], ground) >= TEXT
    for ground in ("#1a201f", "#111615"):
        assert contrast(made["dark_link"], ground) >= TEXT


def test_a_colour_that_can_be_read_is_left_alone() -> None:
    assert readable("#0f5f4b", "#ffffff") == "#0f5f4b"
    assert palette("#0f5f4b")["link"] == "#0f5f4b"


def test_a_bent_colour_keeps_its_hue() -> None:
    def hue(colour: str) -> float:
        return colorsys.rgb_to_hls(*(int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)))[0]

    for accent in ("#ffcc00", "#e91e63", "#1d4ed8"):
        assert hue(palette(accent)["link"]) == pytest.approx(hue(accent), abs=0.02)
        assert hue(palette(accent)["dark_link"]) == pytest.approx(hue(accent), abs=0.02)
