"""Colours: ten for classes that stay apart for colour-blind eyes, more on demand, and the inks of every figure."""

import colorsys
import math

INK = "#1d2330"
MUTED = "#6b7280"
FAINT = "#d5d9e0"
TRAIN = "#242369"
TEST = "#c77901"
GENUINE = TRAIN
IMPOSTOR = TEST

# Chosen by search for the largest smallest distance in CIELAB over normal, protan and deutan sight (24.7; the
# usual ten of matplotlib reach 4.6), while every colour keeps a name of its own.
TEN = (
    "#7c98f2",  # blue
    "#c77901",  # orange
    "#2cbc7e",  # green
    "#e80945",  # red
    "#5525b0",  # violet
    "#5e3f04",  # brown
    "#c0689e",  # pink
    "#f1bf0c",  # gold
    "#3fd8ed",  # cyan
    "#242369",  # navy
)


def class_colors(num_classes: int) -> list[str]:
    """Colours of the classes 0..K-1 as "#rrggbb": the ten above, or for more of them hues a golden angle apart."""
    if num_classes <= len(TEN):
        return list(TEN[:num_classes])
    golden = (math.sqrt(5) - 1) / 2
    lightness = (0.45, 0.62, 0.32)
    return [_hex(colorsys.hls_to_rgb(j * golden % 1, lightness[j % 3], 0.75)) for j in range(num_classes)]


def text_color(background: str) -> str:
    """White or ink, whichever is easier to read on `background`."""
    r, g, b = (int(background[i : i + 2], 16) / 255 for i in (1, 3, 5))
    return "#ffffff" if 0.2126 * r**2.2 + 0.7152 * g**2.2 + 0.0722 * b**2.2 < 0.3 else INK


def _hex(rgb: tuple[float, float, float]) -> str:
    return "#" + "".join(f"{round(255 * value):02x}" for value in rgb)
