"""File names of pictures: those that Pillow can read on this machine, and those that it cannot."""

from contextlib import suppress
from functools import cache
from importlib import import_module

# Data grids and drawings, for which Pillow only has a place to plug a reader in; what needs a program beside Pillow;
# films; and metadata without a picture.
_NOT_READ = frozenset(("BUFR", "EPS", "FLI", "GRIB", "HDF5", "IPTC", "MPEG", "WMF"))
_NEEDS = {
    ".avif": "pip install 'pillow>=11.3'",
    ".heic": "pip install pillow-heif",
    ".heif": "pip install pillow-heif",
    ".hif": "pip install pillow-heif",
}
# fmt: off
_OTHERS = frozenset((
    ".ai", ".arw", ".cr2", ".cr3", ".crw", ".dng", ".emf", ".eps", ".exr", ".hdr", ".jxl", ".jxr", ".nef", ".orf",
    ".pef", ".psb", ".raf", ".raw", ".rw2", ".srw", ".svg", ".wmf",
))
# fmt: on


@cache
def readable() -> frozenset[str]:
    """Return the suffixes, in small letters, of the pictures that Pillow can read here."""
    from PIL import Image

    with suppress(ImportError):  # without it HEIC is among what cannot be read
        import_module("pillow_heif").register_heif_opener()
    suffixes = Image.registered_extensions()
    return frozenset(name for name, form in suffixes.items() if form in Image.OPEN and form not in _NOT_READ)


def why_passed_over(suffix: str) -> str:
    """Return the reason to pass over a file whose suffix, in small letters, is not among the readable ones."""
    if suffix in _NEEDS:
        return f"{suffix}, which Pillow cannot read here until you {_NEEDS[suffix]}"
    return f"{suffix}, which Pillow cannot read" if suffix in _OTHERS else "not named as a picture"
