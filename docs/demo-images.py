"""Draws the illustrations of the demo's articles: `python docs/demo-images.py [FOLDER]`; needs Pillow.

Run it after changing a picture, then commit the JPEGs in `mailer/demo/images/`. Every scene is drawn at twice its size
and reduced, which smooths the edges. Random numbers are seeded by the scene's name, so the same Pillow makes the same
bytes.
"""

# ruff: noqa: S311, T201 - the random numbers protect nothing, and a script may print

import itertools
import math
import random
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

from PIL import Image, ImageDraw, ImageFilter

WIDTH, HEIGHT = 1104, 620
SCALE = 2
MAX_BYTES = 40_000

Colour = tuple[int, int, int]
Point = tuple[float, float]


def rgb(text: str) -> Colour:
    """Returns "#rrggbb" as three numbers."""
    return int(text[1:3], 16), int(text[3:5], 16), int(text[5:7], 16)


def mix(one: str, other: str, share: float) -> Colour:
    """Mixes two colours."""
    first, second = rgb(one), rgb(other)
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(first, second, strict=True))
    return red, green, blue


class Canvas:
    """A picture in units of the finished image, with the origin at the top left."""

    def __init__(self, top: str, bottom: str) -> None:
        column = Image.new("RGB", (1, HEIGHT * SCALE))
        for y in range(HEIGHT * SCALE):
            column.putpixel((0, y), mix(top, bottom, y / (HEIGHT * SCALE - 1)))
        self.image = column.resize((WIDTH * SCALE, HEIGHT * SCALE))
        self.draw = ImageDraw.Draw(self.image)

    def polygon(self, points: Iterable[Point], fill: str) -> None:
        self.draw.polygon([(x * SCALE, y * SCALE) for x, y in points], fill=fill)

    def line(self, points: Iterable[Point], fill: str, width: float) -> None:
        scaled = [(x * SCALE, y * SCALE) for x, y in points]
        self.draw.line(scaled, fill=fill, width=round(width * SCALE), joint="curve")
        for x, y in (scaled[0], scaled[-1]):  # Pillow has no round ends
            half = width * SCALE / 2
            self.draw.ellipse((x - half, y - half, x + half, y + half), fill=fill)

    def disc(self, x: float, y: float, radius: float, fill: str, outline: str | None = None, width: float = 0) -> None:
        self.oval(x, y, radius, radius, fill, outline, width)

    def oval(
        self, x: float, y: float, rx: float, ry: float, fill: str, outline: str | None = None, width: float = 0
    ) -> None:
        box = ((x - rx) * SCALE, (y - ry) * SCALE, (x + rx) * SCALE, (y + ry) * SCALE)
        self.draw.ellipse(box, fill=fill, outline=outline, width=round(width * SCALE))

    def box(self, x: float, y: float, w: float, h: float, fill: str, radius: float = 0) -> None:
        corners = (x * SCALE, y * SCALE, (x + w) * SCALE, (y + h) * SCALE)
        self.draw.rounded_rectangle(corners, radius * SCALE, fill=fill)

    def glow(self, x: float, y: float, radius: float, colour: str, strength: int = 150) -> None:
        mask = Image.new("L", (WIDTH // 4, HEIGHT // 4), 0)  # small, because a blur of a large radius is slow
        pen = ImageDraw.Draw(mask)
        pen.ellipse(((x - radius) / 4, (y - radius) / 4, (x + radius) / 4, (y + radius) / 4), fill=strength)
        mask = mask.filter(ImageFilter.GaussianBlur(radius / 9)).resize(self.image.size, Image.Resampling.BICUBIC)
        self.image.paste(Image.new("RGB", self.image.size, colour), (0, 0), mask)

    def hills(self, base: float, height: float, length: float, phase: float, fill: str) -> None:
        """A soft ridge across the whole width and everything below it."""
        ridge = [
            (
                float(x),
                base
                - height * (math.sin(x / length + phase) * 0.6 + math.sin(x / length * 2.3 + phase * 1.7) * 0.25 + 0.4),
            )
            for x in range(0, WIDTH + 9, 8)
        ]
        self.polygon([*ridge, (WIDTH, HEIGHT), (0, HEIGHT)], fill)

    def finished(self) -> Image.Image:
        return self.image.resize((WIDTH, HEIGHT), Image.Resampling.BOX).filter(ImageFilter.GaussianBlur(0.6))


def ring(x: float, y: float, radius: float, corners: int, turn: float = 0, inner: float | None = None) -> list[Point]:
    """The corners of a regular polygon, or of a star when `inner` is given. Angles in degrees, 0 points up."""
    points = []
    for step in range(corners * 2 if inner is not None else corners):
        reach = radius if inner is None or step % 2 == 0 else inner
        angle = math.radians(turn - 90 + step * 360 / (corners * 2 if inner is not None else corners))
        points.append((x + reach * math.cos(angle), y + reach * math.sin(angle)))
    return points


def petal(x: float, y: float, length: float, breadth: float, turn: float) -> list[Point]:
    """A leaf shape that begins at (x, y) and points to `turn` degrees, 0 is up."""
    angle = math.radians(turn)
    points = []
    for step in range(41):
        way = step / 20 if step <= 20 else (40 - step) / 20
        side = math.sin(math.pi * way**0.8) * breadth / 2 * (1 if step <= 20 else -1)
        forward = way * length
        points.append(
            (
                x + forward * math.sin(angle) + side * math.cos(angle),
                y - forward * math.cos(angle) + side * math.sin(angle),
            )
        )
    return points


def curve(start: Point, bend: Point, end: Point, steps: int = 30) -> list[Point]:
    """A quadratic Bézier curve."""
    points = []
    for step in range(steps + 1):
        t = step / steps
        points.append(
            (
                (1 - t) ** 2 * start[0] + 2 * t * (1 - t) * bend[0] + t**2 * end[0],
                (1 - t) ** 2 * start[1] + 2 * t * (1 - t) * bend[1] + t**2 * end[1],
            )
        )
    return points


def books(dice: random.Random) -> Canvas:
    c = Canvas("#1f2a44", "#2b2440")
    c.glow(860, 120, 420, "#f0b45a", 150)
    colours = ["#c8553d", "#f0b45a", "#588b8b", "#f4ead5", "#2f6690", "#a63d57", "#7a9e7e", "#e08e45"]
    for shelf in (290, 566):
        x, last = 40.0, ""
        while x < 1010:
            width, height = dice.choice([52, 62, 74, 88]), dice.randint(150, 214)
            fill = last = dice.choice([colour for colour in colours if colour != last])
            if x + width > 1060 or (shelf == 290 and 590 < x < 860):  # the upper shelf leaves room for the lamp
                x += width
                continue
            c.box(x, shelf - height, width - 4, height, fill, 4)
            trim = "#f4ead5" if fill != "#f4ead5" else "#c8553d"
            c.box(x + 7, shelf - height + 24, width - 18, 12, trim)
            c.box(x + 7, shelf - 34, width - 18, 9, trim)
            x += width
        c.box(0, shelf, WIDTH, 20, "#7b4b32")
        c.box(0, shelf + 20, WIDTH, 8, "#5a3523")
    c.box(738, 150, 12, 130, "#d9c7a3")
    c.box(694, 276, 100, 14, "#d9c7a3", 6)
    c.polygon([(700, 60), (788, 60), (836, 160), (652, 160)], "#ffd98a")
    return c


def tree(dice: random.Random) -> Canvas:
    c = Canvas("#bfe3e6", "#f6f1d5")
    c.disc(880, 150, 64, "#ffe39a")
    c.hills(430, 60, 190, 0.4, "#b4d3a0")
    c.hills(490, 60, 230, 2.2, "#8fbb7f")
    c.polygon([*curve((452, 560), (500, 480), (494, 300)), *curve((596, 300), (592, 480), (650, 560))], "#6b4a34")
    for end in ((330, 250), (400, 150), (560, 120), (700, 170), (770, 260)):
        c.line(curve((545, 400), ((545 + end[0]) / 2, 300), end), "#6b4a34", 26)
    for tone, size in (("#2f6b4f", 92), ("#3f8560", 78), ("#5aa06f", 56)):
        for _ in range(26):
            angle, reach = dice.uniform(0, 2 * math.pi), dice.uniform(0, 1) ** 0.5
            x, y = 550 + math.cos(angle) * reach * 270, 205 + math.sin(angle) * reach * 125
            c.disc(x - (92 - size) / 3, y - (92 - size) / 2, size * dice.uniform(0.7, 1), tone)
    c.hills(570, 36, 260, 4.1, "#5f9a5f")
    c.line(curve((470, 556), (550, 540), (640, 556)), "#5f9a5f", 24)
    return c


def saffron(dice: random.Random) -> Canvas:
    c = Canvas("#f7c9a9", "#fbeedd")
    c.disc(250, 250, 74, "#fff3cf")
    c.hills(330, 60, 170, 1.0, "#d7a3a8")
    c.hills(390, 46, 210, 3.0, "#b98299")
    c.polygon([(0, 380), (WIDTH, 380), (WIDTH, HEIGHT), (0, HEIGHT)], "#8b6a4f")
    for row in range(7):  # furrows that meet at the horizon
        c.polygon([(552, 378), (row * 260 - 310, HEIGHT), (row * 260 - 210, HEIGHT)], "#7c5c44")
    flowers = [
        (dice.uniform(20, 1084), 400 + 20 * layer + dice.uniform(-6, 6), 0.2 + 0.09 * layer)
        for layer in range(4)
        for _ in range(7 - layer)
    ]
    flowers += [(160, 590, 1.0), (420, 610, 1.12), (700, 590, 1.28), (960, 612, 1.06)]
    for x, y, size in flowers:
        crocus(c, x, y, size)
    return c


def crocus(c: Canvas, x: float, y: float, size: float) -> None:
    """One saffron flower whose stem ends at (x, y)."""
    head = y - 90 * size
    for turn in (-38, -22, 26, 42):
        c.line(
            curve((x, y), (x + turn * size, y - 70 * size), (x + turn * 3 * size, y - 92 * size)), "#5d8a5a", 5 * size
        )
    c.line([(x, y), (x, head)], "#e9dcc0", 11 * size)
    for turn, tone in ((-52, "#7d55b3"), (52, "#7d55b3"), (-27, "#9a72cc"), (27, "#9a72cc"), (0, "#b492de")):
        c.polygon(petal(x, head, 150 * size, 62 * size, turn), tone)
    for turn in (-20, 0, 20):
        tip = (x + math.sin(math.radians(turn * 1.9)) * 112 * size, head - 108 * size)
        c.line(curve((x, head - 14 * size), (x + turn * 0.4 * size, head - 70 * size), tip), "#d8322f", 8 * size)
    c.disc(x, head - 6 * size, 13 * size, "#7d55b3")


def solar(dice: random.Random) -> Canvas:
    c = Canvas("#8ecae6", "#fdebc8")
    c.glow(820, 150, 240, "#fff0b8", 200)
    c.disc(820, 150, 70, "#ffd166")
    c.hills(350, 60, 210, dice.uniform(0, 1), "#e3b98a")
    c.hills(400, 40, 160, 2.6, "#d9a871")
    c.polygon([(0, 390), (WIDTH, 390), (WIDTH, HEIGHT), (0, HEIGHT)], "#e8c48f")
    for row in range(3):
        size = (0.5, 0.86, 1.42)[row]
        base = (424, 496, 612)[row]
        for column in range(-6, 7):
            panel(c, 552 + column * 262 * size + (60 if row % 2 else -40) * size, base, size)
    return c


def panel(c: Canvas, x: float, y: float, size: float) -> None:
    """One solar panel on its post; (x, y) is the foot."""

    def at(u: float, v: float) -> Point:
        return x + (-108 + u * 216 + (1 - v) * 34) * size, y + (-126 + v * 96) * size

    c.box(x - 6 * size, y - 60 * size, 12 * size, 60 * size, "#8a7660")
    c.polygon([at(-0.02, -0.03), at(1.02, -0.03), at(1.02, 1.03), at(-0.02, 1.03)], "#e6eef2")
    for i in range(4):
        for j in range(2):
            u, v = i / 4, j / 2
            tone = "#27507d" if (i + j) % 3 else "#34659a"
            c.polygon(
                [at(u + 0.01, v + 0.02), at(u + 0.24, v + 0.02), at(u + 0.24, v + 0.48), at(u + 0.01, v + 0.48)], tone
            )


def ship(dice: random.Random) -> Canvas:
    c = Canvas("#cfe8f3", "#f8f3e6")
    c.disc(210, 160, 62, "#ffd98a")
    for x, y in ((520, 110), (900, 160), (380, 220)):
        for dx, radius in ((-50, 24), (-10, 36), (38, 28)):
            c.disc(x + dx, y, radius, "#ffffff")
        c.box(x - 74, y + 2, 140, 26, "#ffffff", 13)
    c.polygon([(0, 400), (WIDTH, 400), (WIDTH, HEIGHT), (0, HEIGHT)], "#4a9cb8")
    tones = ["#d1495b", "#edae49", "#30638e", "#66a182", "#f4ead5", "#c26a3d"]
    for column in range(8):
        for level in range((2, 3, 4, 4, 3, 4, 3, 2)[column]):
            x, y = 262 + column * 66, 346 - level * 42
            tone = dice.choice(tones)
            c.box(x, y, 62, 39, tone, 3)
            for rib in range(1, 6):
                c.box(x + rib * 10, y + 6, 2, 27, "#3d4b57" if tone == "#f4ead5" else "#ffffff")
    c.box(806, 196, 92, 192, "#fbfaf5", 6)
    for level in range(4):
        c.box(818, 212 + level * 40, 68, 18, "#2f5d7c", 3)
    c.box(838, 150, 10, 50, "#8a97a0")
    c.polygon([(176, 386), (944, 386), (900, 486), (252, 486)], "#23395b")
    c.polygon([(217, 440), (921, 440), (900, 486), (252, 486)], "#b23a48")
    c.polygon([(566, 398), (540, 432), (560, 432), (548, 460), (584, 422), (562, 422), (578, 398)], "#ffd166")
    for row, (y, tone) in enumerate(((474, "#3f8fac"), (520, "#357f9b"), (566, "#2b6d87"))):
        wave = [(x, y + 9 * math.sin(x / 46 + row * 1.3)) for x in range(0, WIDTH + 9, 8)]
        c.polygon([*wave, (WIDTH, HEIGHT), (0, HEIGHT)], tone)
    return c


def carpet(_dice: random.Random) -> Canvas:
    c = Canvas("#1f2f52", "#1f2f52")
    for k in range(6):
        for y in (46, HEIGHT - 46):
            border_flower(c, 52 + k * 200, y)
    c.box(0, 92, WIDTH, HEIGHT - 184, "#f0e2c4")
    c.box(0, 104, WIDTH, HEIGHT - 208, "#8f2637")
    cx, cy = WIDTH / 2, HEIGHT / 2
    for x in (0, WIDTH):
        medallion(c, x, cy, 196, 196, "#1f2f52")
        medallion(c, x, cy, 110, 110, "#c9973f")
    for reach, tone in ((1.0, "#f0e2c4"), (0.93, "#1f2f52"), (0.66, "#c9973f"), (0.4, "#1f2f52")):
        medallion(c, cx, cy, 296 * reach, 190 * reach, tone)
    for k in range(12):
        a = 2 * math.pi * (k + 0.5) / 12
        c.disc(cx + 232 * math.cos(a), cy + 149 * math.sin(a), 12, "#c9973f")
    for k in range(8):
        c.polygon(petal(cx, cy, 92, 36, k * 45), "#f0e2c4")
    c.disc(cx, cy, 24, "#a8323f")
    return c


def medallion(c: Canvas, x: float, y: float, rx: float, ry: float, fill: str) -> None:
    """An oval with twelve lobes."""
    points = []
    for t in range(181):
        angle = 2 * math.pi * t / 180
        lobe = 1 + 0.06 * math.cos(12 * angle)
        points.append((x + rx * lobe * math.cos(angle), y + ry * lobe * math.sin(angle)))
    c.polygon(points, fill)


def border_flower(c: Canvas, x: float, y: float) -> None:
    for turn in range(0, 360, 90):
        c.polygon(petal(x, y, 36, 21, turn), "#c9973f")
    c.disc(x, y, 10, "#a8323f")


def metro(_dice: random.Random) -> Canvas:
    c = Canvas("#f5f1e6", "#ece5d3")
    c.polygon(
        [
            *curve((0, 470), (360, 380), (620, 500)),
            *curve((620, 500), (860, 600), (1104, 520)),
            (1104, 570),
            *curve((1104, 570), (860, 650), (610, 548)),
            *curve((610, 548), (350, 430), (0, 520)),
        ],
        "#bfdce6",
    )
    for x, y, r in ((180, 140, 74), (900, 400, 88), (560, 250, 54)):
        c.disc(x, y, r, "#d6e3c3")
    lines: list[tuple[str, list[Point]]] = [
        ("#2a9d8f", [(60, 560), (260, 360), (620, 360), (820, 160), (1060, 160)]),
        ("#e9a23b", [(120, 60), (340, 280), (340, 580)]),
        ("#3d5a98", [(980, 40), (980, 330), (760, 550), (520, 550)]),
        ("#8d5a97", [(500, 40), (500, 240), (700, 440), (1070, 440)]),
        ("#d1344b", [(40, 240), (420, 240), (560, 310), (1080, 310)]),
    ]
    for tone, points in lines:
        c.line(points, tone, 26 if tone == "#d1344b" else 16)
    for tone, points in lines[:-1]:
        for first, second in itertools.pairwise(points):
            for share in (0.12, 0.5, 0.88):
                c.disc(
                    first[0] + (second[0] - first[0]) * share,
                    first[1] + (second[1] - first[1]) * share,
                    11,
                    "#fffdf6",
                    tone,
                    5,
                )
    for x, y in (
        (90, 240),
        (190, 240),
        (300, 240),
        (420, 240),
        (560, 310),
        (650, 310),
        (740, 310),
        (830, 310),
        (980, 310),
        (1050, 310),
        (490, 275),
    ):
        c.disc(x, y, 19, "#fffdf6", "#d1344b", 7)
    c.box(392, 150, 150, 66, "#d1344b", 18)
    for k in range(3):
        c.box(408 + k * 42, 164, 32, 24, "#fff1ea", 5)
    c.disc(424, 218, 10, "#5a2630")
    c.disc(510, 218, 10, "#5a2630")
    return c


def flamingo(_dice: random.Random) -> Canvas:
    c = Canvas("#f6a78a", "#fde7cf")
    c.glow(560, 300, 300, "#fff0c9", 190)
    c.disc(560, 290, 86, "#fff3d6")
    c.hills(345, 34, 200, 0.2, "#c9879b")
    c.polygon([(0, 345), (WIDTH, 345), (WIDTH, HEIGHT), (0, HEIGHT)], "#e9a59c")
    for k in range(9):
        half = 150 - k * 9
        c.box(560 - half, 362 + k * 25, half * 2, 7, "#fbdcc2", 4)
    for x, y, w in (
        (120, 400, 130),
        (850, 420, 150),
        (300, 530, 180),
        (760, 560, 200),
        (70, 590, 150),
        (960, 500, 120),
    ):
        c.box(x, y, w, 5, "#f4c2b1", 3)
    for x, y, size, facing in ((150, 432, 0.42, 1), (236, 440, 0.36, -1), (930, 436, 0.44, -1), (1010, 444, 0.36, 1)):
        bird(c, x, y, size, facing)
    bird(c, 330, 560, 1.0, 1)
    bird(c, 820, 584, 1.12, -1)
    return c


def bird(c: Canvas, x: float, y: float, size: float, facing: int) -> None:
    """A flamingo standing at (x, y); `facing` 1 looks right, -1 left."""

    def at(dx: float, dy: float) -> Point:
        return x + dx * size * facing, y + dy * size

    c.line([at(-6, -150), at(-12, 0)], "#c4566b", 7 * size)
    c.line([at(16, -150), at(26, -76), at(-4, -84)], "#c4566b", 7 * size)
    c.polygon([at(-112, -166), at(-40, -226), at(-14, -150)], "#d9607a")
    body = [
        at(84 * math.cos(a) - 4, -188 + 44 * math.sin(a) - 10 * math.cos(a))
        for a in (math.pi * t / 30 for t in range(60))
    ]
    c.polygon(body, "#f08a98")
    c.polygon([at(-84, -190), at(-10, -222), at(48, -196), at(-20, -160)], "#e5707f")
    neck = [*curve(at(62, -196), at(140, -214), at(104, -292)), *curve(at(104, -292), at(72, -366), at(126, -376))]
    c.line(neck, "#f08a98", 23 * size)
    c.oval(*at(132, -372), 25 * size, 20 * size, "#f08a98")
    c.polygon([at(148, -384), at(184, -366), at(180, -330), at(166, -346), at(146, -358)], "#fbe3d4")
    c.polygon([at(181, -356), at(180, -328), at(167, -346)], "#3b2a35")
    c.disc(*at(136, -378), 4 * size, "#3b2a35")


def tiles(_dice: random.Random) -> Canvas:
    c = Canvas("#16507a", "#123d63")
    for x, y in ((552, 310), (0, 0), (1104, 0), (0, 620), (1104, 620)):
        c.polygon(ring(x, y, 292, 8, 0, 212), "#2a8fa0")
        c.polygon(ring(x, y, 204, 8, 22.5, 150), "#e9dfc6")
        c.polygon(ring(x, y, 138, 8, 0, 104), "#16507a")
        for turn in range(0, 360, 45):
            c.polygon(petal(x, y, 94, 38, turn), "#e3b04b")
        c.disc(x, y, 24, "#e9dfc6")
    for x, y in ((552, 0), (552, 620)):
        c.polygon(ring(x, y, 96, 8, 0, 68), "#e3b04b")
    for x in (40, 1064):
        c.polygon(ring(x, 310, 76, 4, 0, 40), "#e3b04b")
    return c


def film(_dice: random.Random) -> Canvas:
    c = Canvas("#fbe5b8", "#f7c978")
    c.disc(930, 120, 210, "#fbd891")
    c.line(curve((1120, 40), (900, 120), (640, 60)), "#6b4a34", 16)
    c.line(curve((960, 92), (900, 200), (930, 290)), "#6b4a34", 11)
    c.line(curve((760, 84), (740, 140), (756, 200)), "#6b4a34", 10)
    for x, y, turn in (
        (1010, 80, 200),
        (1040, 62, 20),
        (905, 180, 240),
        (930, 120, 110),
        (700, 70, 330),
        (690, 66, 215),
        (820, 90, 20),
        (840, 90, 150),
        (744, 150, 250),
        (750, 130, 70),
        (925, 260, 70),
    ):
        c.polygon(petal(x, y, 96, 40, turn), "#3f7d54" if turn % 20 else "#56996a")
    for x, y, radius in ((930, 350, 70), (756, 254, 60), (1040, 190, 54)):
        c.disc(x, y, radius, "#e2711d")
        c.disc(x - radius * 0.12, y - radius * 0.12, radius * 0.82, "#f0862b")
        c.disc(x - radius * 0.35, y - radius * 0.38, radius * 0.2, "#f8b26a")
        c.polygon(ring(x, y - radius * 0.86, radius * 0.2, 5, 0, radius * 0.09), "#3f7d54")
    strip = [*curve((300, 545), (640, 640), (820, 520)), *curve((820, 520), (960, 430), (1120, 500))]
    c.line(strip, "#2b2d42", 66)
    for k in range(2, len(strip) - 1, 3):
        (x, y), (nx, ny) = strip[k], strip[k + 1]
        angle = math.degrees(math.atan2(ny - y, nx - x))
        for offset in (-24, 24):
            hx, hy = x - offset * math.sin(math.radians(angle)), y + offset * math.cos(math.radians(angle))
            c.polygon(ring(hx, hy, 9, 4, angle + 45), "#fbe5b8")
        c.polygon(ring(x, y, 19, 4, angle + 45), "#f0b45a")
    c.disc(300, 330, 238, "#2b2d42")
    c.disc(300, 330, 222, "#3a3d5c")
    for k in range(5):
        a = math.radians(k * 72 - 90)
        c.disc(300 + 132 * math.cos(a), 330 + 132 * math.sin(a), 58, "#f9d99b")
    c.disc(300, 330, 40, "#f9d99b")
    c.disc(300, 330, 16, "#2b2d42")
    return c


def pottery(_dice: random.Random) -> Canvas:
    c = Canvas("#efe3cf", "#e2cfae")
    for k, tone in enumerate(("#d8bf97", "#ccab7c", "#bd9563", "#aa7f4e")):
        c.hills(430 + k * 52, 26, 170 + 30 * k, k * 1.4, tone)
    c.oval(552, 566, 210, 24, "#8f6a40")
    profile = [
        (0.0, 74.0),
        (0.03, 84),
        (0.1, 62),
        (0.22, 60),
        (0.32, 110),
        (0.45, 178),
        (0.58, 204),
        (0.72, 184),
        (0.86, 124),
        (0.97, 84),
        (1.0, 92),
    ]
    right = smooth([(552 + half, 60 + share * 506) for share, half in profile])
    left = [(1104 - x, y) for x, y in reversed(right)]
    c.polygon([*right, *left], "#b5633c")
    shade = [(x - (x - 552) * 0.42, y) for x, y in right]
    c.polygon([*right, *reversed(shade)], "#a35532")

    def band(top: float, bottom: float, fill: str) -> None:
        inside = [(x, y) for x, y in right if top <= y <= bottom]
        c.polygon([*inside, *((1104 - x, y) for x, y in reversed(inside))], fill)

    for top, bottom in ((196, 206), (214, 222), (268, 276), (424, 432), (442, 452)):
        band(top, bottom, "#3e2723")
    for k in range(-6, 7):
        c.polygon([(552 + k * 26 - 12, 266), (552 + k * 26, 230), (552 + k * 26 + 12, 266)], "#3e2723")
    for x, size in ((440, 0.86), (552, 1.0), (664, 0.86)):
        ibex(c, x, 412, size)
    c.oval(552, 62, 78, 15, "#8a4528")
    c.oval(552, 63, 62, 9, "#5b2c1b")
    return c


def smooth(points: list[Point]) -> list[Point]:
    """A Catmull-Rom curve through the points."""
    ends = [points[0], *points, points[-1]]
    result = []
    for a, b, d, e in zip(ends, ends[1:], ends[2:], ends[3:], strict=False):
        for step in range(16):
            t = step / 16
            result.append(
                tuple(
                    0.5
                    * (
                        2 * b[i]
                        + (d[i] - a[i]) * t
                        + (2 * a[i] - 5 * b[i] + 4 * d[i] - e[i]) * t**2
                        + (3 * b[i] - a[i] - 3 * d[i] + e[i]) * t**3
                    )
                    for i in (0, 1)
                )
            )
    return [*((x, y) for x, y in result), points[-1]]


def ibex(c: Canvas, x: float, y: float, size: float) -> None:
    """The goat of the oldest Iranian pottery: two triangles and two great horns; (x, y) is the ground below it."""
    ink = "#3e2723"

    def at(dx: float, dy: float) -> Point:
        return x + dx * size, y + dy * size

    c.polygon([at(-44, -62), at(0, -46), at(0, -36), at(-34, -24)], ink)
    c.polygon([at(40, -64), at(0, -46), at(0, -36), at(32, -24)], ink)
    for dx in (-38, -28, 26, 36):
        c.line([at(dx, -30), at(dx, -2)], ink, 4 * size)
    c.line([at(36, -60), at(46, -82)], ink, 7 * size)
    c.polygon([at(40, -88), at(62, -76), at(46, -72)], ink)
    for reach in (0, 12):
        c.line(curve(at(44, -86), at(30 - reach, -134 + reach), at(-30 + reach, -104 + reach)), ink, 4.5 * size)
    c.line(curve(at(-44, -60), at(-54, -66), at(-54, -56)), ink, 3 * size)


def laptop(dice: random.Random) -> Canvas:
    c = Canvas("#3a3f78", "#6a5aa8")
    c.disc(900, 130, 190, "#5a559c")
    c.disc(160, 520, 150, "#554c96")
    c.box(252, 84, 600, 392, "#20233f", 22)
    c.box(274, 106, 556, 348, "#f3f5fb", 8)
    c.box(274, 106, 556, 36, "#dfe4f2", 8)
    for k, tone in enumerate(("#e76f51", "#f4b942", "#4db6ac")):
        c.disc(808 - k * 24, 124, 7, tone)
    for k in range(6):  # lines of right-to-left text
        c.box(806 - (210 - (k * 37) % 70), 168 + k * 26, 210 - (k * 37) % 70, 11, "#b9c0dc", 5)
    heights = [dice.randint(50, 130) for _ in range(6)]
    for k, high in enumerate(heights):
        c.box(310 + k * 42, 300 - high, 26, high, ("#4db6ac", "#f4b942", "#e76f51")[k % 3], 5)
    c.box(300, 302, 262, 4, "#8d95bd", 2)
    wave = smooth([(300.0 + k * 100, 400 - (0, 36, 14, 58, 30, 74)[k]) for k in range(6)])
    c.line(wave, "#6a5aa8", 6)
    for k in range(6):
        c.disc(300 + k * 100, 400 - (0, 36, 14, 58, 30, 74)[k], 9, "#f3f5fb", "#6a5aa8", 4)
    c.polygon([(230, 476), (874, 476), (976, 556), (128, 556)], "#cfd5e8")
    c.box(128, 552, 848, 20, "#aab2cd", 10)
    for row in range(4):
        for key in range(14):
            spread = 0.9 + row * 0.052
            x = 552 + (key - 6.5) * 41 * spread
            c.box(x - 16 * spread, 486 + row * 13, 32 * spread, 9, "#59608c", 2)
    c.box(472, 540, 160, 11, "#b9c1d8", 4)
    return c


def telescope(dice: random.Random) -> Canvas:
    c = Canvas("#0b1437", "#3a3a73")
    c.glow(330, 170, 230, "#5663b0", 130)
    for _ in range(150):
        c.disc(dice.uniform(0, WIDTH), dice.uniform(0, 430), dice.choice([1.2, 1.6, 2.2]), "#dfe6ff")
    for x, y, radius in (
        (300, 150, 9),
        (338, 118, 7),
        (352, 176, 8),
        (390, 146, 10),
        (404, 196, 6),
        (322, 204, 6),
        (276, 186, 5),
    ):
        c.glow(x, y, radius * 4, "#a9bcff", 150)
        c.polygon(ring(x, y, radius * 1.9, 4, 0, radius * 0.5), "#ffffff")
    c.hills(520, 90, 150, 0.8, "#242a57")
    c.hills(580, 70, 210, 2.0, "#171c40")
    c.box(690, 420, 250, 120, "#d9dcef", 6)
    c.box(690, 528, 250, 60, "#b3b8d6")
    c.box(780, 470, 66, 118, "#4c5487", 4)
    dome = [(815 + 150 * math.cos(a), 424 + 150 * math.sin(a)) for a in (math.pi + math.pi * t / 60 for t in range(61))]
    c.polygon(dome, "#eef0fa")
    slit = [(815 + 150 * math.cos(a), 424 + 150 * math.sin(a)) for a in (math.radians(t) for t in range(214, 247))]
    c.polygon([(760, 424), *slit, (828, 424)], "#2a2f5c")
    c.polygon([(660, 252), (690, 226), (806, 372), (770, 400)], "#f4b942")
    c.polygon([(646, 256), (684, 216), (700, 236), (664, 274)], "#d98e1f")
    c.box(672, 418, 286, 16, "#a2a8cc", 6)
    c.hills(640, 40, 260, 4.0, "#0f1330")
    return c


def football(_dice: random.Random) -> Canvas:
    c = Canvas("#14213d", "#2b4a72")
    for x in (150, 954):
        c.glow(x, 70, 220, "#dfefff", 130)
        c.box(x - 5, 90, 10, 240, "#90a0b8")
        for k in range(8):
            c.disc(x - 54 + (k % 4) * 36, 52 + (k // 4) * 34, 12, "#fdfdf2")
    for row in range(3):  # the seats
        c.box(0, 240 + row * 40, WIDTH, 40, ("#31456b", "#2b3d61")[row % 2])
        for k in range(28):
            tone = ("#c9694f", "#cf9f45", "#6f9fa8", "#a9b8c9", "#4a5f8a")[(k * 7 + row * 3 + k * k) % 5]
            if not 340 < 20 + k * 40 + (row % 2) * 20 < 764:  # behind the net it would only be noise
                c.disc(20 + k * 40 + (row % 2) * 20, 264 + row * 40, 11, tone)
    c.polygon([(0, 360), (WIDTH, 360), (WIDTH, HEIGHT), (0, HEIGHT)], "#3f8f4f")
    for k in range(0, 12, 2):
        c.polygon(
            [
                (552 + (k - 6) * 130, 360),
                (552 + (k - 5) * 130, 360),
                (552 + (k - 5) * 260, HEIGHT),
                (552 + (k - 6) * 260, HEIGHT),
            ],
            "#48a05a",
        )
    for k in range(1, 10):
        c.line([(352 + k * 40, 220), (352 + k * 40, 384)], "#6f86a5", 2)
    for k in range(1, 4):
        c.line([(352, 220 + k * 40), (752, 220 + k * 40)], "#6f86a5", 2)
    c.line([(352, 400), (352, 216), (752, 216), (752, 400)], "#ffffff", 11)
    c.line([(0, 402), (WIDTH, 402)], "#f4f8ef", 5)
    c.line([(240, 402), (130, 520), (974, 520), (864, 402)], "#f4f8ef", 6)
    c.oval(640, 590, 82, 14, "#2d6f3c")
    x, y, radius = 640, 500, 88
    c.disc(x, y, radius, "#fbfbf7")
    c.polygon(ring(x, y, 36, 5, 8), "#22304a")
    for k in range(5):
        a = math.radians(8 - 90 + k * 72)
        c.line(
            [(x + 34 * math.cos(a), y + 34 * math.sin(a)), (x + 62 * math.cos(a), y + 62 * math.sin(a))], "#22304a", 4
        )
        edge = [(x + 87 * math.cos(a + d), y + 87 * math.sin(a + d)) for d in (-0.26, -0.13, 0, 0.13, 0.26)]
        c.polygon([(x + 62 * math.cos(a), y + 62 * math.sin(a)), *edge], "#22304a")
        b = math.radians(8 - 90 + k * 72 + 36)
        for near in (a, a + math.radians(72)):
            c.line(
                [(x + 62 * math.cos(near), y + 62 * math.sin(near)), (x + 70 * math.cos(b), y + 70 * math.sin(b))],
                "#8893a8",
                2.5,
            )
        c.line(
            [(x + 70 * math.cos(b), y + 70 * math.sin(b)), (x + 86 * math.cos(b), y + 86 * math.sin(b))], "#8893a8", 2.5
        )
    return c


def chess(_dice: random.Random) -> Canvas:
    c = Canvas("#f0d9b5", "#dcb884")
    c.disc(250, 180, 150, "#f6e5c8")

    def at(u: float, v: float) -> Point:  # u across -4…4, v rows 0…5 from the horizon
        depth = 0.5 + 0.5 * (v / 5) ** 1.25
        return 552 + u * 196 * depth, 330 + 290 * (v / 5) ** 1.25

    for row in range(5):
        for column in range(-6, 6):
            corners = [at(column, row), at(column + 1, row), at(column + 1, row + 1), at(column, row + 1)]
            c.polygon(corners, "#6b4226" if (row + column) % 2 else "#f7ead2")
    c.box(0, 322, WIDTH, 10, "#8a5a36")
    for x, y, size, tone, kind in (
        (210, 420, 0.72, "#3b2a26", "pawn"),
        (390, 396, 0.62, "#3b2a26", "pawn"),
        (900, 430, 0.78, "#3b2a26", "rook"),
        (690, 520, 1.15, "#fff8ea", "queen"),
        (400, 560, 1.1, "#fff8ea", "pawn"),
        (130, 590, 1.2, "#fff8ea", "rook"),
        (1000, 600, 1.15, "#fff8ea", "pawn"),
    ):
        piece(c, x, y, size, tone, kind)
    return c


def piece(c: Canvas, x: float, y: float, size: float, tone: str, kind: str) -> None:
    """A chess piece standing on (x, y)."""
    shade = "#1f1513" if tone == "#3b2a26" else "#d9c6a5"
    high = {"pawn": 150, "rook": 190, "queen": 300}[kind]

    def at(dx: float, dy: float) -> Point:
        return x + dx * size, y - dy * size

    c.oval(x, y, 66 * size, 15 * size, shade)
    c.box(x - 60 * size, y - 26 * size, 120 * size, 26 * size, tone, 8 * size)
    neck = 34 if kind == "rook" else 18
    body = smooth([at(50, 24), at(34, 50), at(neck, high * 0.45), at(neck + 2, high * 0.74)])
    mirrored = [(2 * x - px, py) for px, py in reversed(body)]
    c.polygon([*body, *mirrored], tone)
    c.polygon([*body, *((px - (px - x) * 0.5, py) for px, py in reversed(body))], shade)
    c.box(x - 40 * size, y - (high * 0.74 + 12) * size, 80 * size, 16 * size, tone, 7 * size)
    if kind == "pawn":
        c.disc(x, y - (high * 0.74 + 40) * size, 36 * size, tone)
    elif kind == "rook":
        c.box(x - 48 * size, y - high * size, 96 * size, 42 * size, tone, 3 * size)
        for dx in (-30, -6, 18):
            c.box(x + dx * size, y - (high + 20) * size, 22 * size, 26 * size, tone, 2 * size)
        c.box(x - 48 * size, y - (high + 20) * size, 18 * size, 30 * size, tone, 2 * size)
        c.box(x + 34 * size, y - (high + 20) * size, 14 * size, 30 * size, tone, 2 * size)
    else:
        top = high * 0.74 + 8
        c.polygon(
            [
                at(-34, top),
                at(-60, top + 66),
                at(-30, top + 40),
                at(-22, top + 80),
                at(0, top + 44),
                at(22, top + 80),
                at(30, top + 40),
                at(60, top + 66),
                at(34, top),
            ],
            tone,
        )
        for dx, dy in ((-60, 70), (-22, 84), (22, 84), (60, 70)):
            c.disc(*at(dx, top + dy), 9 * size, "#e3b04b")


def mountain(dice: random.Random) -> Canvas:
    c = Canvas("#7fb2d6", "#fde9d0")
    c.glow(860, 200, 240, "#fff3cf", 200)
    c.disc(860, 200, 60, "#fff6dc")
    c.polygon([(-80, 500), (150, 280), (300, 400), (430, 320), (700, 540)], "#9db4cc")
    c.polygon([(620, 540), (860, 330), (960, 400), (1060, 340), (1200, 540)], "#9db4cc")
    peak: list[Point] = [
        (120, 600),
        (330, 330),
        (400, 290),
        (520, 96),
        (556, 84),
        (600, 118),
        (730, 300),
        (800, 350),
        (1010, 600),
    ]
    c.polygon(peak, "#5b7797")
    c.polygon(
        [(556, 84), (600, 118), (730, 300), (800, 350), (1010, 600), (640, 600), (590, 420), (620, 300)], "#4a6484"
    )
    c.polygon(
        [
            (330, 330),
            (400, 290),
            (520, 96),
            (556, 84),
            (580, 210),
            (540, 270),
            (556, 350),
            (500, 300),
            (460, 390),
            (420, 330),
            (380, 400),
        ],
        "#ffffff",
    )
    c.polygon(
        [(556, 84), (600, 118), (730, 300), (760, 326), (720, 400), (690, 320), (650, 380), (622, 290), (580, 210)],
        "#dbe7f2",
    )
    c.hills(540, 40, 330, 1.0, "#e9f1f7")
    c.hills(600, 40, 150, 3.0, "#f7fafc")
    tones = ("#e76f51", "#f4b942", "#2a9d8f", "#d1344b", "#8d5a97")
    path = curve((170, 596), (440, 560), (560, 430), 9)
    for k, (x, y) in enumerate(path):
        size = 1.15 - k * 0.075
        c.line([(x, y), (x + 4 * size, y - 22 * size)], "#2b3a52", 9 * size)
        c.line([(x + 4 * size, y - 22 * size), (x + 7 * size, y - 40 * size)], tones[k % 5], 17 * size)
        c.disc(x + 10 * size, y - 58 * size, 9 * size, "#6b4a34")
        c.line([(x + 20 * size, y), (x + 24 * size, y - 42 * size)], "#2b3a52", 2.6 * size)
    for _ in range(60):
        c.disc(dice.uniform(0, WIDTH), dice.uniform(20, 520), dice.choice([1.5, 2.5]), "#ffffff")
    return c


SCENES: dict[str, Callable[[random.Random], Canvas]] = {
    scene.__name__: scene
    for scene in (
        books,
        tree,
        saffron,
        solar,
        ship,
        carpet,
        metro,
        flamingo,
        tiles,
        film,
        pottery,
        laptop,
        telescope,
        football,
        chess,
        mountain,
    )
}


def save(picture: Image.Image, file: Path) -> int:
    """Write a JPEG of at most MAX_BYTES in the best quality that fits; returns its size in bytes."""
    for quality in range(72, 40, -4):
        picture.save(file, "JPEG", quality=quality, optimize=True, progressive=True)
        if file.stat().st_size <= MAX_BYTES:
            return file.stat().st_size
    raise SystemExit(f"{file.name} does not fit into {MAX_BYTES} bytes; draw it simpler")


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parents[1] / "mailer" / "demo" / "images"
    folder.mkdir(parents=True, exist_ok=True)
    for name, scene in SCENES.items():
        size = save(scene(random.Random(name)).finished(), folder / f"{name}.jpg")
        print(f"{name}.jpg {size:,}")


if __name__ == "__main__":
    main()
