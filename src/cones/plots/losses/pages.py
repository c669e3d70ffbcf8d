"""The page of each loss, with its picture, written to files."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from ...catalogue import example, has_picture, index, page
from ...common.atomic_files import write_text
from ...common.regular_file import not_a_file
from ...margins import Margin
from .._save import save_svg
from .loss import feature_loss_figure, loss_figure


def write_pages(losses: Iterable[type], folder: str | os.PathLike[str]) -> Iterator[Path]:
    """Write NAME.md and NAME.svg of each loss; the same losses give the same bytes.

    Args:
        losses: classes of margins and feature losses.
        folder: where to; made when it is missing.

    Yields:
        the path of each file, when it is written.
    """
    folder = Path(folder)
    for loss in losses:
        path = folder / f"{loss.__name__}.md"
        write_text(path, page(loss))
        yield path
        if has_picture(loss):
            draw = loss_figure if issubclass(loss, Margin) else feature_loss_figure
            save_svg(draw(example(loss)), path.with_suffix(".svg"))
            yield path.with_suffix(".svg")


def write_index(folder: str | os.PathLike[str]) -> Path:
    """Write README.md, which lists the public losses, and return its path.

    Raises:
        FileExistsError: a README.md is there that is not such a list.
    """
    path = Path(folder) / "README.md"
    title = index().splitlines()[0]
    if path.exists() and (not_a_file(path) or not path.read_text("utf-8", "replace").startswith(title)):
        raise FileExistsError(f"{path} is not a list of losses: write the pages to another folder (--out)")
    write_text(path, index())
    return path
