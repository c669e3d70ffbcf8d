"""The data sets that are known by name."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from ._dataset import Dataset, Splits
from ._faces_orl import FACES_ORL, find_installed, read_faces_orl
from ._files import data_root
from ._glyphs_jis import FONTS_NAME, KANJI, NAME, PACKAGES, SIZE, is_drawn, read_glyphs_jis, read_glyphs_jis_fonts
from ._mnist import FASHION_MNIST, MNIST, read_fashion_mnist, read_mnist
from ._mnist5k import MNIST5K, read_mnist5k
from ._recipe import Recipe

READERS: tuple[tuple[Recipe, Callable[[Path], Dataset | Splits]], ...] = (
    (MNIST5K, read_mnist5k),
    (MNIST, read_mnist),
    (FASHION_MNIST, read_fashion_mnist),
    (FACES_ORL, read_faces_orl),
)
# These are not read but drawn, at the size that is asked for.
DRAWN: tuple[tuple[str, Callable[[Path, int], Dataset | Splits]], ...] = (
    (NAME, read_glyphs_jis),
    (FONTS_NAME, read_glyphs_jis_fonts),
)
NAMES = (*(recipe.name for recipe, _ in READERS), *(name for name, _ in DRAWN))


@dataclass(frozen=True)
class NamedSet:
    """A data set that `load` knows by name.

    Args:
        name: what to pass to `load`.
        about: what it shows.
        count: how many images; of glyphs, with the fonts of Debian 12.
        num_classes: how many classes.
        shape: channels, height and width in pixels.
        folder: where its files lie or will lie.
        source: the package that it is fetched from, or found in if that is installed.
        on_disk: whether it can be loaded without fetching.
    """

    name: str
    about: str
    count: int
    num_classes: int
    shape: tuple[int, int, int]
    folder: Path
    source: str
    on_disk: bool


def named(root: Path | None = None) -> tuple[NamedSet, ...]:
    """Return the data sets known by name, and whether each is on the disk already. Nothing is fetched.

    Args:
        root: the data folder; None for `default_root()`.

    Example:
        >>> [known.name for known in named()]
        ['mnist5k', 'mnist', 'fashion-mnist', 'faces-orl', 'glyphs-jis', 'glyphs-jis-fonts']
    """
    folder = data_root(root)
    return (*(_describe(recipe, folder) for recipe, _ in READERS), *_describe_glyphs(folder))


def _describe(recipe: Recipe, root: Path) -> NamedSet:
    on_disk = all(recipe.find(file, root) for file in recipe.files)
    if recipe is FACES_ORL:
        on_disk = on_disk or find_installed() is not None
    return NamedSet(
        name=recipe.name,
        about=recipe.about,
        count=recipe.count,
        num_classes=recipe.num_classes,
        shape=recipe.shape,
        folder=root / recipe.name,
        source=f"{recipe.package.client}: {recipe.package.requirement}",
        on_disk=on_disk,
    )


def _describe_glyphs(root: Path) -> tuple[NamedSet, NamedSet]:
    glyphs = NamedSet(
        name=NAME,
        about="2965 kanji in 37 designs; 965 of them are never seen in training",
        count=109689,
        num_classes=len(KANJI),
        shape=(1, SIZE, SIZE),
        folder=root / NAME,
        source=f"apt-get: {' '.join(PACKAGES)}",
        on_disk=is_drawn(root),
    )
    about = "the same, and the fonts of test are never seen in training either"
    return glyphs, replace(glyphs, name=FONTS_NAME, about=about, count=66746)
