"""Pictures of characters as one face of a font draws them."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ._fonts import Face

if TYPE_CHECKING:
    from PIL import ImageFont

# No character is assigned to these: what a font draws there is what it draws for any character it lacks.
_UNASSIGNED = ("\uffff", "\u0378", "\U0010ffff")
# A drawing that this many characters share is a stand-in; two may well be variants of one character.
_SHARED = 3
# The em is drawn this many times larger than the picture and then made smaller, so that hints and the places of
# pixels count for little, and the small bitmaps that some fonts hold for screens are never used.
_EM = 4

Picture = npt.NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Sheet:
    """Pictures of a list of characters by one face.

    Args:
        pictures: (n, S, S) uint8, 0 for paper and 255 for ink.
        places: (n,) int64, the character of each picture: its position in the list, ascending.
        left_out: how many of the other characters are blank, missing (drawn as a code point without a
            character is), shared (three or more characters look alike, bit by bit) or broken (the font's own
            program fails).
    """

    pictures: Picture
    places: npt.NDArray[np.int64]
    left_out: dict[str, int]


def draw(face: Face, characters: Sequence[str], size: int) -> Sheet:
    """Draw `characters`, each in a picture of `size` x `size` pixels.

    The ink is made to fit a square, with its proportions kept and a margin of a sixteenth on each side, and centred.

    Raises:
        OSError: if the file is not a font.
    """
    from PIL import ImageFont

    font = ImageFont.truetype(str(face.path), _EM * size, index=face.index, layout_engine=ImageFont.Layout.BASIC)
    pen = _Pen(font, size)
    stand_ins = {picture.tobytes() for picture in map(pen.draw, _UNASSIGNED) if isinstance(picture, np.ndarray)}
    drawn = [pen.draw(character) for character in characters]
    seen = Counter(picture.tobytes() for picture in drawn if isinstance(picture, np.ndarray))
    pictures, places, left_out = [], [], Counter[str]()
    for place, picture in enumerate(drawn):
        if isinstance(picture, str):
            left_out[picture] += 1
        elif picture.tobytes() in stand_ins:
            left_out["missing"] += 1
        elif seen[picture.tobytes()] >= _SHARED:
            left_out["shared"] += 1
        else:
            pictures.append(picture)
            places.append(place)
    stacked = np.stack(pictures) if pictures else np.empty((0, size, size), np.uint8)
    return Sheet(stacked, np.array(places, np.int64), dict(sorted(left_out.items())))


class _Pen:
    """A font and the canvas it draws on, two ems wide, for ink that leaves its own em."""

    def __init__(self, font: "ImageFont.FreeTypeFont", size: int) -> None:
        from PIL import Image, ImageDraw

        self.font, self.size, self.em = font, size, _EM * size
        self.canvas = Image.new("L", (2 * self.em, 2 * self.em))
        self.brush = ImageDraw.Draw(self.canvas)

    def draw(self, character: str) -> Picture | str:
        """The picture, or why there is none: "blank" or "broken"."""
        self.canvas.paste(0, (0, 0, *self.canvas.size))
        try:
            self.brush.text((self.em // 2, 3 * self.em // 2), character, fill=255, font=self.font, anchor="ls")
        except OSError:  # FreeType's, of a glyph it cannot draw
            return "broken"
        ink = self.canvas.getbbox()
        return "blank" if ink is None else self._fit(*ink)

    def _fit(self, left: int, top: int, right: int, bottom: int) -> Picture:
        from PIL.Image import Resampling

        margin = self.size // 16
        side = -(-max(right - left, bottom - top) * self.size // (self.size - 2 * margin))
        x, y = (left + right - side) // 2, (top + bottom - side) // 2
        square = self.canvas.crop((x, y, x + side, y + side))
        return np.asarray(square.resize((self.size, self.size), Resampling.BILINEAR))
