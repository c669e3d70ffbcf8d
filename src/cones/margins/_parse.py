from collections.abc import Callable
from typing import Any, cast

import cones.margins

from ..notation import call, evaluate, parse_tree
from ._margin import Margin


def parse(text: str) -> Margin:
    """The margin whose repr is `text`; fields left out have their defaults.

    Args:
        text: such as "CosFace(margin=0.35, scale=64.0)" or "CosFace".

    Raises:
        ValueError: the text, a name or a field is wrong; the error says which and what is near.

    Example:
        >>> parse("CosFace(margin=0.2)")
        CosFace(margin=0.2, scale=64.0)
    """
    return cast(Margin, evaluate(parse_tree(text), lambda name, fields: call(known(), "margin", name, fields)))


def known() -> dict[str, Callable[..., Any]]:
    """Every public margin by name."""
    return {name: getattr(cones.margins, name) for name in cones.margins.__all__}
