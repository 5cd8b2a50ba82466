"""Makes a readable palette, for light and dark mode, from one accent colour.

All colours have the hue of the accent colour, so that readers recognise the newsroom's colour. The accent colour is
made darker or lighter only as far as the contrast of WCAG 2.2 §1.4.3 requires.
"""

import colorsys

TEXT = 4.5  # the minimum contrast of text (level AA)
# The minimum contrast of text on large coloured areas. It is higher (level AAA), because Gmail's dark mode changes the
# colours of these areas.
BETTER = 7.0
_WHITE, _CARD, _PAGE = "#fffdf8", "#fffefb", "#f1efe9"
_DARK_CARD, _DARK_PAGE = "#1a201f", "#111615"


def contrast(one: str, other: str) -> float:
    """Returns the contrast ratio of two colours written #rrggbb, from 1 to 21 (WCAG 2.2, "contrast ratio")."""
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def mix(one: str, other: str, share: float) -> str:
    """Returns the colour `one` with a `share` (0 to 1) of the colour `other` mixed in."""
    pairs = zip(_channels(one), _channels(other), strict=True)
    return "#" + "".join(f"{round(a + (b - a) * share):02x}" for a, b in pairs)


def readable(colour: str, *grounds: str, least: float = TEXT) -> str:
    """Returns the colour, made just dark or light enough for the contrast `least` with every background in `grounds`.

    The backgrounds must be all light or all dark.
    """
    hue, light, saturation = colorsys.rgb_to_hls(*(channel / 255 for channel in _channels(colour)))
    end = 0.0 if _luminance(grounds[0]) > 0.18 else 1.0
    for step in range(101):
        bent = _written(hue, light + (end - light) * step / 100, saturation)
        if all(contrast(bent, ground) >= least for ground in grounds):
            return bent
    return _written(hue, end, saturation)


def _written(hue: float, light: float, saturation: float) -> str:
    # Light colours are made less saturated; otherwise they would glow on a dark background.
    calm = min(saturation, 0.55) if light > 0.6 else saturation
    return "#" + "".join(f"{round(part * 255):02x}" for part in colorsys.hls_to_rgb(hue, light, calm))


def palette(accent: str) -> dict[str, str]:
    """Returns the colours derived from the accent, all written #rrggbb.

    `mast` is the background at the top of a mail, `on_mast` is the colour of quiet text on this background, `link` is
    the colour of links and headings, and `line` is the colour of dividing lines. Names that begin with `dark_` are the
    same colours for dark mode.
    """
    mast = readable(accent, _WHITE, least=BETTER)
    dark_mast = readable(mix(mast, "#000000", 0.2), _WHITE, least=BETTER)
    return {
        "mast": mast,
        "on_mast": readable(mix(mast, "#ffffff", 0.84), mast),
        "link": readable(accent, _CARD, _PAGE),
        "line": mast,
        "dark_mast": dark_mast,
        "dark_on_mast": readable(mix(dark_mast, "#ffffff", 0.8), dark_mast),
        "dark_link": readable(accent, _DARK_CARD, _DARK_PAGE, least=BETTER),
        # A dividing line is a graphic, which needs less contrast than text (WCAG 2.2 §1.4.11).
        "dark_line": readable(accent, _DARK_CARD, least=3.0),
    }


def _channels(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def _luminance(colour: str) -> float:
    parts = (channel / 255 for channel in _channels(colour))
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
