"""The losses as text for a terminal."""

import textwrap

from ..margins import Margin
from ._cost import cost
from ._entry import entry
from ._find import every_loss


def loss_table() -> str:
    """Text that lists the margins and the feature losses: summary, formula, defaults, reference."""
    parts = []
    for title, margins in (("Softmax-margin losses", True), ("Feature losses, joined with a weight", False)):
        parts.append(f"{title}\n{'=' * len(title)}\n")
        parts += [describe(kind) for kind in every_loss().values() if issubclass(kind, Margin) == margins]
    return "\n".join(parts)


def describe(loss: type) -> str:
    """Name with defaults, summary, formula and reference of one loss.

    Example:
        >>> from cones.margins import CosFace
        >>> print(describe(CosFace))
        CosFace(margin=0.35, scale=64.0)
          CosFace, also known as AM-Softmax: a margin subtracted from the cosine.
              t = s (cos(theta_y) - m),   o_j = s cos(theta_j)
          Wang et al., "CosFace: ...
    """
    about = entry(loss)
    lines = [about.signature, f"  {about.summary}", *(f"      {line}" for line in about.formula)]
    return "\n".join([*lines, *([f"  {about.reference}"] if about.reference else [])]) + "\n"


def describe_in_full(loss: type) -> str:
    """Describe one loss in full: as `describe`, with remarks, fields, when to use it and its cost."""
    about = entry(loss)
    parts = [f"{about.signature}\n  {about.summary}", textwrap.indent(about.body, "  ")]
    for field in about.fields:
        default = f" = {field.default}" if field.default else ""
        parts.append(_titled(field.name + default, field.meaning))
    parts += [
        _titled("When to use it", about.when),
        _titled("Cost", *cost(loss)),
        _titled("Reference", about.reference),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _titled(title: str, *texts: str) -> str:
    """The texts under a title, wrapped; nothing where there is no text."""
    wrapped = [textwrap.fill(text, 106, initial_indent=6 * " ", subsequent_indent=6 * " ") for text in texts if text]
    return "\n".join([f"  {title}", *wrapped]) if wrapped else ""
