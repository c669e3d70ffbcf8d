"""Selection of distinct designs among faces: they draw enough, and unlike the others."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ._fonts import Face
from ._glyphs import Sheet, draw
from ._progress import bar

# Measured over all pairs of the 166 faces in Debian 12's packages that draw the sample. Two designs that have nothing
# to do with each other correlate by up to 0.870 (heavy gothics of two makers), regular and bold of M+ by 0.854; light
# and demi-light of Noto by 0.956, its Japanese and Chinese faces by 0.91 to 0.95. At 0.88, the closest two that are
# kept have 0.869, and a face that is dropped has 0.882 or more with one that is kept.
SAME_DESIGN = 0.88
_SAMPLE, _SAMPLE_SIZE = 64, 32


@dataclass(frozen=True)
class Verdict:
    """Decision on a face.

    Args:
        face: the face.
        dropped: why it is left out; empty if it is kept.
    """

    face: Face
    dropped: str


def judge(faces: Sequence[Face], characters: Sequence[str]) -> list[Verdict]:
    """Say of each face whether it is kept, in their order; of faces that look alike the first is.

    Each draws 64 characters, evenly spread over the list, at 32 pixels. It is dropped if it draws fewer than half
    of them, or if

        mean over the characters that both have of corr(picture, picture of an earlier face) > 0.88,

    corr being Pearson's over the pixels.
    """
    count = min(_SAMPLE, len(characters))
    sample = [characters[place * len(characters) // count] for place in range(count)]
    kept: list[tuple[Face, npt.NDArray[np.float32]]] = []
    verdicts = []
    with bar("compares the fonts", len(faces), in_bytes=False) as done:
        for face in faces:
            reason = _reason(face, sample, kept)
            verdicts.append(Verdict(face, reason))
            done(1)
    return verdicts


def _reason(face: Face, sample: Sequence[str], kept: list[tuple[Face, npt.NDArray[np.float32]]]) -> str:
    """Why `face` is dropped; if it is not, it is added to `kept`."""
    try:
        sheet = draw(face, sample, _SAMPLE_SIZE)
    except OSError as error:
        return f"cannot be read ({error})"
    if 2 * len(sheet.places) < len(sample):
        others = ", ".join(f"{count} {why}" for why, count in sheet.left_out.items())
        return f"draws {len(sheet.places)} of {len(sample)} characters ({others})"
    directions = _directions(sheet, len(sample))
    for earlier, others_directions in kept:
        both = int((directions.any(axis=1) & others_directions.any(axis=1)).sum())
        alike = float((directions * others_directions).sum()) / max(both, 1)
        if alike > SAME_DESIGN:
            return f"looks like {earlier.name} (correlation {alike:.3f})"
    kept.append((face, directions))
    return ""


def _directions(sheet: Sheet, characters: int) -> npt.NDArray[np.float32]:
    """(characters, pixels): each picture less its mean, of norm 1; a missing one is 0. Products are correlations."""
    centred = sheet.pictures.reshape(len(sheet.places), -1).astype(np.float32)
    centred -= centred.mean(axis=1, keepdims=True)
    norm = np.linalg.norm(centred, axis=1, keepdims=True)
    directions = np.zeros((characters, centred.shape[1]), np.float32)
    directions[sheet.places] = np.divide(centred, norm, out=np.zeros_like(centred), where=norm > 0)
    return directions
