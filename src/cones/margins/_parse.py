import cones.margins

from ..common.aliases import check_compound_names
from ..common.expressions import brief, call, evaluate, parse_tree
from ..common.import_path import import_path
from ._margin import Margin


def parse(text: str, *, trust: bool = True) -> Margin:
    """The margin that `text` writes; fields left out have their defaults.

    Args:
        text: such as "CosFace(margin=0.35, scale=64.0)" or "cosface", in any case; a margin of your own is written with
            its module, "package.module:Mine(margin=0.1)", which is then imported, from the current folder first.
        trust: whether a margin of your own may be imported; False for text from a file that somebody else may have
            written.

    Raises:
        TrustError: the text names user code, and trust is False.
        ValueError: the text, a name or a field is wrong; the error says which and what is near.

    Example:
        >>> parse("CosFace(margin=0.2)")
        CosFace(margin=0.2, scale=64.0)
    """
    check_compound_names(text)
    margin = evaluate(parse_tree(text), lambda name, fields: call(known(name, trust=trust), "margin", name, fields))
    if not isinstance(margin, Margin):
        raise ValueError(
            f"{brief(text.strip())} is {brief(repr(margin))}, expected a margin such as ArcFace(margin=0.3)"
        )
    return margin


def known(name: str = "", *, trust: bool = True) -> dict[str, type[Margin]]:
    """Every public margin by name; and by `name` the one that differs in case, or the class "package.module:Class".

    Raises:
        TrustError: it is so written, and trust is False.
        ValueError: there is no such module or class, or it is no margin.
    """
    kinds = [kind for kind in vars(cones.margins).values() if isinstance(kind, type) and issubclass(kind, Margin)]
    public = {kind.__name__: kind for kind in sorted(kinds, key=_alphabetical) if kind is not Margin}
    if ":" in name:
        return {**public, name: _own(name, trust)}
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
    """The text of a margin's class: "CosFace", or "package.module:Class" if it is not public."""
    public = kind is getattr(cones.margins, kind.__name__, None)
    return kind.__name__ if public else f"{kind.__module__}:{kind.__qualname__}"


def _alphabetical(kind: type) -> str:
    return kind.__name__.lower()


def _own(name: str, trust: bool) -> type[Margin]:
    """Import the class that `name`, "package.module:Class", denotes."""
    kind = import_path(name, trust=trust)
    if not isinstance(kind, type) or not issubclass(kind, Margin):
        raise ValueError(f"{brief(name)} is {brief(repr(kind))}, expected a subclass of cones.Margin")
    return kind
