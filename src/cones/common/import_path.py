"""User code by its import path, `package.module:Name`: one rule for losses and backbones.

A person who types a path, or writes it in Python, wants the code. A path in a file is data, and somebody else may have
written the file: it is imported only with the person's consent.
"""

import importlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from .expressions import brief, did_you_mean


class TrustError(ValueError):
    """Raised for code that a file names and that is not trusted."""


def import_path(name: str, *, trust: bool) -> Any:
    """Import the object that `name`, "package.module:Name", denotes; nothing is called.

    The module is looked for in the current folder first, then where Python looks.

    Args:
        name: the module, a colon and the name in it.
        trust: whether the code may be imported; False for a name that comes from a file.

    Raises:
        TrustError: it may not; the error names it, and the flag.
        ValueError: there is no such module, or no such name in it.
        ModuleNotFoundError: the module is there, but not what it imports.

    Example:
        >>> import_path("math:pi", trust=True)
        3.141592653589793
    """
    if not trust:
        raise TrustError(
            f"{brief(name)} is code that a file names, and it is not imported unless you trust it: read it, then add "
            "--trust (in Python trust=True)"
        )
    module_name, _, last = name.rpartition(":")
    try:
        with _current_folder_first():
            module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module_name}.".startswith(f"{error.name}."):
            raise  # the module is there; what it imports is not
        raise ValueError(
            f"{brief(name)}: there is no module {brief(error.name)!r}, neither in this folder nor where Python looks: "
            "call from the folder that holds it, or name that folder in PYTHONPATH"
        ) from None
    if not hasattr(module, last):
        raise ValueError(f"{brief(name)}: {module_name} has no {brief(last)!r}{did_you_mean(last, vars(module))}")
    return getattr(module, last)


@contextmanager
def _current_folder_first() -> Iterator[None]:
    """Look for modules in the current folder, as `python -m` does and an installed command does not."""
    here = os.getcwd()
    sys.path.insert(0, here)
    try:
        yield
    finally:
        sys.path.remove(here)
