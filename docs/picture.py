"""Make docs/demo.png, the picture in README, from a finished demo.

python docs/picture.py runs/demo
"""

import sys
from pathlib import Path

from PIL import Image

from cones.common.atomic_files import replacing

COLOURS = 128
"""Enough for ten classes, their pale sectors and the edges between; a third of the bytes."""


def main() -> None:
    """Quantise the demo's grid of features."""
    grid = Image.open(Path(sys.argv[1]) / "figures" / "grid.png").convert("RGB")
    with replacing(Path(__file__).with_name("demo.png")) as aside:
        grid.quantize(COLOURS, dither=Image.Dither.NONE).save(aside, optimize=True)


if __name__ == "__main__":
    main()
