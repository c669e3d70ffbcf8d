"""The data sets that are known by name: a new one is a module with a `KnownSet`, and its line in SETS."""

from dataclasses import dataclass
from pathlib import Path

from ._faces_orl import FACES_ORL_SET
from ._files import data_root
from ._glyphs_jis import GLYPHS_JIS_FONTS_SET, GLYPHS_JIS_SET
from ._known import KnownSet
from ._mnist import FASHION_MNIST_SET, MNIST_SET
from ._mnist5k import MNIST5K_SET

SETS: tuple[KnownSet, ...] = (
    MNIST5K_SET,
    MNIST_SET,
    FASHION_MNIST_SET,
    FACES_ORL_SET,
    GLYPHS_JIS_SET,
    GLYPHS_JIS_FONTS_SET,
)


def names() -> tuple[str, ...]:
    """Return the names of all sets."""
    return tuple(known.name for known in SETS)


def find(name: str) -> KnownSet | None:
    """Return the set of that name, None where there is none."""
    return next((known for known in SETS if known.name == name), None)


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
    return tuple(
        NamedSet(
            name=known.name,
            about=known.about,
            count=known.count,
            num_classes=known.num_classes,
            shape=known.shape,
            folder=folder / (known.folder or known.name),
            source=known.source,
            on_disk=known.on_disk(folder),
        )
        for known in SETS
    )
