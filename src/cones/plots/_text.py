"""Words for titles: objectives shortened to what a reader compares, lines of bearable length, numbers."""

import ast
import math
import textwrap

from ..common.expressions import parse_tree
from ..common.printable import printable
from ..evaluation import figure

DASH = "–"


def wrap(text: str, width: int) -> str:
    """Break every line of `text` that is longer than `width` letters."""
    return "\n".join(textwrap.fill(line, width, break_long_words=False) for line in text.strip().split("\n"))


def short_objective(text: str) -> str:
    """An objective with only the numbers that tell it apart, for titles; anything else comes back unchanged.

    Args:
        text: a sum of losses as the trainer writes it.

    Example:
        >>> short_objective("ArcFace(margin=0.3, scale=16.0, tail='smooth', straight_through=False)")
        'ArcFace(margin=0.3, scale=16)'
        >>> short_objective("Softmax(scale=1.0) + 0.01 * CenterLoss()")
        'Softmax + 0.01 · CenterLoss'
    """
    try:
        return _expression(parse_tree(text))
    except ValueError:
        return text


def _expression(node: ast.expr) -> str:
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Mult):
        sign = " + " if isinstance(node.op, ast.Add) else " · "
        return _expression(node.left) + sign + _expression(node.right)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        numbers = {keyword.arg: _number_in(keyword.value) for keyword in node.keywords}
        fields = [f"{name}={value:.3g}" for name, value in numbers.items() if value is not None and _tells(name, value)]
        return _name(node.func.id) + (f"({', '.join(fields)})" if fields else "")
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        return f"{node.value:g}"
    if isinstance(node, ast.Name):
        return _name(node.id)
    raise ValueError(f"not a sum of losses: {ast.unparse(node)}")


def _name(written: str) -> str:
    """A loss's name without its module: "package.module:Mine" gives Mine."""
    return written.rpartition(":")[2]


def _number_in(node: ast.expr) -> float | None:
    try:
        value = ast.literal_eval(node)
    except ValueError:
        return None
    return None if isinstance(value, bool) or not isinstance(value, int | float) else value


def _tells(name: str | None, value: float) -> bool:
    """Tell whether a number tells losses apart: not a neutral value, nor a lambda annealed to next to nothing."""
    return (name, value) != ("scale", 1) and not (name == "blend" and value < 0.1)


def number(value: object, digits: int = 3) -> str:
    """`value` with that many significant digits; an en dash for what is missing or not a number.

    Example:
        >>> number(0.012345), number(29.0), number(123456), number(None), number(float("inf"))
        ('0.0123', '29.0', '123,456', '–', '∞')
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or math.isnan(value):
        return DASH
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    if value == 0:
        return "0"
    text = f"{value:#.{digits}g}".removesuffix(".") if abs(value) >= 1e-4 else f"{value:.{digits - 1}e}"
    return _power(text) if "e" in text else text.replace("-", "−")


def _power(text: str) -> str:
    mantissa, exponent = text.split("e")
    raised = str(int(exponent)).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return f"{mantissa.replace('-', '−')}·10{raised}"


def percent(value: object, decimals: int = 2) -> str:
    """A share in 0..1 in percent, with as many decimals wherever it is; an en dash for what is missing.

    Example:
        >>> percent(0.98765), percent(None)
        ('98.77 %', '–')
    """
    known = finite(value)
    return DASH if known is None else figure.percent(known, decimals)


def degrees(value: object) -> str:
    """An angle in radians as degrees.

    Example:
        >>> degrees(0.5), degrees(None)
        ('28.6°', '–')
    """
    known = finite(value)
    return DASH if known is None else f"{math.degrees(known):.1f}°"


def finite(value: object) -> float | None:
    """`value` as a float where it is a finite number, else None.

    Example:
        >>> finite(2), finite("2"), finite(float("nan"))
        (2.0, None, None)
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


def literal(text: str) -> str:
    r"""`text` as a figure shows it letter by letter: a dollar begins no formula, and no font has control characters.

    Example:
        >>> print(literal("A$AP\x07"))
        A\$AP\x07
    """
    return printable(text).replace("$", r"\$")


def shorten(text: str, most: int) -> str:
    """`text` with no more than `most` letters; what is cut off is an ellipsis.

    Example:
        >>> shorten("Gwyneth Paltrow", 8), shorten("Bob", 8)
        ('Gwyneth…', 'Bob')
    """
    return text if len(text) <= most else text[: most - 1] + "…"
