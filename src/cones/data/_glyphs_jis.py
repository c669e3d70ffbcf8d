"""The kanji of JIS X 0208 level 1, drawn by the fonts of Debian's packages or by your own."""

import hashlib
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from cones.common.atomic_files import scratch_folder

from ._archive import read_members
from ._dataset import Dataset, Splits
from ._files import DataError
from ._fonts import SUFFIXES, find_faces, unread_fonts
from ._known import KnownSet
from ._package import NotFound, Package, download
from ._rendering import Rendering, is_kept, kept, render
from ._scan import PassedOver, tell
from ._split import as_given, by_identity

NAME, FONTS_NAME = "glyphs-jis", "glyphs-jis-fonts"
SIZE = 32
PACKAGES = (
    "fonts-aoyagi-kouzan-t",
    "fonts-aoyagi-soseki",
    "fonts-babelstone-han",
    "fonts-dejima-mincho",
    "fonts-dotgothic16",
    "fonts-hanazono",
    "fonts-horai-umefont",
    "fonts-ipaexfont-gothic",
    "fonts-ipaexfont-mincho",
    "fonts-kiloji",
    "fonts-klee",
    "fonts-konatu",
    "fonts-kouzan-mouhitsu",
    "fonts-lxgw-wenkai",
    "fonts-migmix",
    "fonts-mplus",
    "fonts-noto-cjk-extra",
    "fonts-oradano-mincho-gsrr",
    "fonts-rampart",
    "fonts-reggae",
    "fonts-rocknroll",
    "fonts-sawarabi-gothic",
    "fonts-sawarabi-mincho",
    "fonts-seto",
    "fonts-stick",
    "fonts-train",
    "fonts-wqy-zenhei",
    "fonts-yozvox-yozfont-antique",
    "fonts-yusei-magic",
)


def _level_1() -> tuple[str, ...]:
    codes = (bytes((0xA0 + row, 0xA0 + cell)) for row in range(16, 48) for cell in range(1, 95))
    return tuple(character for character in (code.decode("euc_jp", "ignore") for code in codes) if character)


KANJI = _level_1()
# A class is a character: 2,000 are learnt and the other 965 are never seen.
UNSEEN = 965 / 2965
_UNSEEN_DESIGNS = 0.2
# These take kanji, or the skeletons of them, from another package: a font of the one is no stranger to the other.
_AKIN = {"fonts-migmix": "fonts-mplus", "fonts-lxgw-wenkai": "fonts-klee"}


def read_glyphs_jis(root: Path, image_size: int | None) -> Dataset:
    """Return every kanji of level 1 in every design, as (1, S, S); the classes are the characters."""
    return _dataset(NAME, _rendering(root, image_size or SIZE))


def read_glyphs_jis_fonts(root: Path, image_size: int | None) -> Splits:
    """Return the harder split: the characters of test are not in train, and neither are the fonts that draw them.

    The characters are those that `glyphs-jis` draws with seed 0. A fifth of the designs, at most, is held out: whole
    packages, with those akin, in an order drawn with seed 0, as long as they fit. Unseen characters in seen designs,
    and seen characters in unseen designs, are left out.
    """
    rendering = _rendering(root, image_size or SIZE)
    data = _dataset(FONTS_NAME, rendering)
    unseen = set(by_identity(data, UNSEEN, 0).test.classes)
    by_character = torch.tensor([character in unseen for character in data.classes])[rendering.labels]
    by_design = _held_out([line["source"] for line in rendering.about["designs"]])[rendering.designs]
    agree = by_character == by_design
    return as_given(data.select(agree), by_character[agree])


def read_glyphs(name: str, path: Path, image_size: int | None, root: Path) -> Dataset:
    """Return every kanji of level 1 in every design among the fonts below the folder `path`.

    Args:
        name: what the set is called.
        path: a folder of .ttf, .otf, .ttc and .otc files, at any depth. Those that are not drawn, such as a bold face
            of a design that is, are reported in one line on stderr.
        image_size: S, pixels; 32 for None.
        root: the data folder. The pictures are kept in its folder glyphs, by the checksums of the fonts.

    Raises:
        DataError: if `path` is not a folder, or none of its fonts draws half of the kanji or more.
    """
    if not path.is_dir():
        raise DataError(f"{path} is not a folder; expected one with font files (.ttf, .otf, .ttc or .otc)")
    size = image_size or SIZE
    faces, unread = find_faces(path), unread_fonts(path)
    fonts = "".join(f"{face.source}/{face.name} {face.sha256}\n" for face in faces)
    key = hashlib.sha256(fonts.encode()).hexdigest()[:16]
    rendering = kept(root / "glyphs" / f"{key}-{size}.npz", lambda: render(path, KANJI, size, {}))
    dropped = [PassedOver(path / line["source"] / line["design"], line["why"]) for line in rendering.about["dropped"]]
    tell(name, [*dropped, *unread], path)
    return _dataset(name, rendering)


def is_drawn(root: Path, size: int = SIZE) -> bool:
    """Say whether the kanji are on the disk already."""
    return is_kept(_path(root, size))


def _path(root: Path, size: int) -> Path:
    return root / NAME / f"glyphs-{size}.npz"


def _rendering(root: Path, size: int) -> Rendering:
    return kept(_path(root, size), lambda: _fetch_and_render(root / NAME, size))


def _dataset(name: str, rendering: Rendering) -> Dataset:
    return Dataset(name, rendering.images, rendering.labels, KANJI)


def _held_out(sources: Sequence[str]) -> Tensor:
    """(designs,) bool: those of the packages that are held out, given the package of each design."""
    families = [_AKIN.get(source, source) for source in sources]
    names = sorted(set(families))
    held: set[str] = set()
    for place in torch.randperm(len(names), generator=torch.Generator().manual_seed(0)).tolist():
        wanted = held | {names[place]}
        if sum(family in wanted for family in families) <= _UNSEEN_DESIGNS * len(families):
            held = wanted
    return torch.tensor([family in held for family in families])


def _fetch_and_render(folder: Path, size: int) -> Rendering:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with scratch_folder(folder, "fonts") as aside:  # a gigabyte, for a short time
            versions = {package: _fetch(package, aside) for package in PACKAGES}
            found = {package: version for package, version in versions.items() if version}
            if not found:
                raise DataError("it finds none of them; are its package lists up to date (apt-get update)?")
            rendering = render(aside, KANJI, size, found)
    except OSError as error:
        raise DataError(f"{NAME} cannot be drawn: {folder} cannot be written to ({error.strerror})") from error
    except DataError as error:
        raise DataError(
            f"{NAME} cannot be fetched with apt-get ({len(PACKAGES)} packages, {PACKAGES[0]} to {PACKAGES[-1]}): "
            f"{error}; fix that, or draw the same characters with fonts of your own: glyphs:FOLDER"
        ) from error
    rendering.about["packages_not_found"] = sorted(set(PACKAGES) - set(found))
    return rendering


def _fetch(package: str, folder: Path) -> str:
    """Put the fonts of a package into the folder `folder`/`package` and return its version; empty if there is none."""
    with tempfile.TemporaryDirectory(prefix=".package-", dir=folder) as place:
        try:
            archive = download(Package("apt-get", package), Path(place))
        except NotFound:
            return ""
        for name, data in read_members(archive, lambda name: Path(name).suffix.lower() in SUFFIXES).items():
            file = folder / package / Path(name).name
            file.parent.mkdir(exist_ok=True)
            file.write_bytes(data)
        return archive.name.split("_")[1].replace("%3a", ":")


GLYPHS_JIS_SET = KnownSet(
    name=NAME,
    about="2965 kanji in 37 designs; 965 of them are never seen in training",
    count=109689,  # with the fonts of Debian 12
    num_classes=len(KANJI),
    shape=(1, SIZE, SIZE),
    source=f"apt-get: {' '.join(PACKAGES)}",
    read=read_glyphs_jis,
    on_disk=is_drawn,
    unseen=UNSEEN,
)
GLYPHS_JIS_FONTS_SET = replace(
    GLYPHS_JIS_SET,
    name=FONTS_NAME,
    about="the same, and the fonts of test are never seen in training either",
    count=66746,
    read=read_glyphs_jis_fonts,
    unseen=None,
    folder=NAME,
)
