"""Text to a terminal, with the control characters of names escaped: what a file is called cannot colour or move it."""

import builtins
from typing import Any, TextIO

import rich.console

from ..common.printable import printable, printable_lines


class Console(rich.console.Console):
    """A console of rich whose texts are escaped; each one to stderr, such as an error, stays one line."""

    def print(self, *objects: Any, **options: Any) -> None:
        """Print as `rich.console.Console.print` does, with control characters in text escaped."""
        escape = printable if self.stderr else printable_lines
        super().print(*(escape(shown) if isinstance(shown, str) else shown for shown in objects), **options)


def print(*values: object, sep: str = " ", end: str = "\n", file: TextIO | None = None, flush: bool = False) -> None:
    """Print as Python's print does, with control characters escaped; lines stay lines."""
    text = sep.join(printable_lines(str(value)) for value in values)
    builtins.print(text, end=end, file=file, flush=flush)
