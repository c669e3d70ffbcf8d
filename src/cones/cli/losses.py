"""`cones losses`: every loss with its formula and its reference."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from ..catalogue import describe_in_full, every_loss, find_loss, loss_table
from ..common.atomic_files import check_folder_place
from .terminal import Console, print
from .usage import UsageError


@dataclass(frozen=True)
class Losses:
    """List every loss with its formula, defaults and reference, show one in full, or write their pages.

    Args:
        name: loss to show in full, with its use and cost; write your own margin as package.module:Class
        out: folder for Markdown pages with pictures: of this loss, or of every loss with an index
        traceback: show the full traceback of an error
    """

    name: Annotated[str, tyro.conf.Positional] = ""
    out: Path | None = None
    traceback: bool = False

    def execute(self) -> int:
        """Print the list or one loss, or write the pages."""
        try:
            wanted = [find_loss(self.name)] if self.name else list(every_loss().values())
        except ValueError as error:
            raise UsageError(str(error)) from error
        if self.out is not None:
            from ..plots import write_index, write_pages

            check_folder_place(self.out)
            if not self.name:
                print(write_index(self.out))
            for path in write_pages(wanted, self.out):
                print(path)
            return 0
        text = describe_in_full(wanted[0]) if self.name else loss_table()
        Console(soft_wrap=True, highlight=False, emoji=False).print(text, markup=False)
        return 0
