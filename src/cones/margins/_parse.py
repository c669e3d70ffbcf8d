import importlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import cones.margins

from ..aliases import check_compound_names
from ..notation import call, did_you_mean, evaluate, parse_tree
from ._margin import Margin


def parse(text: str) -> Margin:
    """The margin that `text` writes; fields left out have their defaults.

    Args:
        text: such as "CosFace(margin=0.35, scale=64.0)" or "cosface", in any case; a margin of your own is written with
            its module, "package.module:Mine(margin=0.1)", which is then imported, from the current folder first.

    Raises:
        ValueError: the text, a name or a field is wrong; the error says which and what is near.

    Example:
        >>> parse("CosFace(margin=0.2)")
        CosFace(margin=0.2, scale=64.0)
    """
    check_compound_names(text)
    margin = evaluate(parse_tree(text), lambda name, fields: call(known(name), "margin", name, fields))
    if not isinstance(margin, Margin):
        raise ValueError(f"{text.strip()} is {margin!r}, expected a margin such as ArcFace(margin=0.3)")
    return margin


def known(name: str = "") -> dict[str, type[Margin]]:
    """Every public margin by name; and by `name` the one that differs in case, or the class "package.module:Class".

    Raises:
        ValueError: there is no such module or class, or it is no margin.
    """
    public = {public: getattr(cones.margins, public) for public in cones.margins.__all__}
    if ":" in name:
        return {**public, name: _own(name)}
    spelled = next((public_name for public_name in public if public_name.lower() == name.lower()), None)
    return public if spelled is None else {**public, name: public[spelled]}


def written(margin: Margin) -> str:
    """The text that `parse` reads back into `margin`: its repr, with the module in front where it is not public.

    Example:
        >>> written(cones.margins.CosFace(margin=0.2))
        'CosFace(margin=0.2, scale=64.0)'
    """
    return name_of(type(margin)) + repr(margin).removeprefix(type(margin).__qualname__)


def name_of(kind: type[Margin]) -> str:
    """How a margin's class is written: "CosFace", or "package.module:Class" where it is not public."""
    public = kind is getattr(cones.margins, kind.__name__, None)
    return kind.__name__ if public else f"{kind.__module__}:{kind.__qualname__}"


def _own(name: str) -> type[Margin]:
    """The class that `name`, "package.module:Class", stands for."""
    path, _, last = name.rpartition(":")
    try:
        with _here_first():
            module = importlib.import_module(path)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{path}.".startswith(f"{error.name}."):
            raise  # the module is there; what it imports is not
        raise ValueError(
            f"{name}: there is no module {error.name!r}, neither in this folder nor where Python looks: call from the "
            f"folder that holds it, or name that folder in PYTHONPATH"
        ) from None
    if not hasattr(module, last):
        raise ValueError(f"{name}: {path} has no {last!r}{did_you_mean(last, vars(module))}")
    kind = getattr(module, last)
    if not isinstance(kind, type) or not issubclass(kind, Margin):
        raise ValueError(f"{name} is {kind!r}, expected a subclass of cones.Margin")
    return kind


@contextmanager
def _here_first() -> Iterator[None]:
    """Look for modules in the current folder, as `python -m` does and an installed command does not."""
    here = os.getcwd()
    sys.path.insert(0, here)
    try:
        yield
    finally:
        sys.path.remove(here)
