"""Configurations as text: `ArcFace(margin=0.2, scale=16.0)` read back into the value whose repr it is.

Nothing is executed: the text is parsed, and only the names that the caller allows are called. A name may be written
`package.module:Name`, for what stands outside of the package.
"""

import ast
import difflib
import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, cast

from .aliases import nearest_loss

Build = Callable[[str, dict[str, Any]], Any]


COLON = re.compile(r"""'[^']*'|"[^"]*"|(?<=\w):(?=\w)""")
"""A string, which is left as it is, or the colon of `package.module:Name`."""


def parse_tree(text: str) -> ast.expr:
    """Read one expression, or raise ValueError that shows where it stops making sense.

    `package.module:Name` comes back as one `ast.Name`.
    """
    text = text.strip()
    # to Python a colon is no part of a name: a dot is, and is as wide, so that columns stay what they are
    dotted = COLON.sub(lambda found: "." if found[0] == ":" else found[0], text)
    try:
        return cast(ast.expr, _NamesWithColon(text).visit(ast.parse(dotted, mode="eval").body))
    except SyntaxError as error:
        where = f" at column {error.offset}" if error.offset else ""
        raise ValueError(
            f"cannot read {text!r}{where}: expected something like ArcFace(margin=0.3, scale=16)"
        ) from None


class _NamesWithColon(ast.NodeTransformer):
    """Turns what `text` has as `package.module:Name` from a dotted attribute into a name."""

    def __init__(self, text: str) -> None:
        self._text = text

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        written = ast.get_source_segment(self._text, node) or ""
        if re.fullmatch(r"[\w.]+:\w+", written):
            return ast.copy_location(ast.Name(id=written, ctx=ast.Load()), node)
        return cast(ast.expr, self.generic_visit(node))


def evaluate(node: ast.expr, build: Build) -> Any:
    """The value of an expression of literals and calls.

    Args:
        node: from `parse_tree`.
        build: called as build(name, fields) for every call `Name(field=value, ...)` and every bare `Name`.

    Returns:
        a number, string, None, tuple, or what `build` returned.

    Raises:
        ValueError: anything else stands there; positional arguments are refused, fields are written by name.
    """
    match node:
        case ast.Constant():
            return node.value
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as number)):
            return -number
        case ast.Tuple() | ast.List():
            return tuple(evaluate(element, build) for element in node.elts)
        case ast.Name():
            return build(node.id, {})
        case ast.Call(func=ast.Name(id=name), args=[], keywords=keywords):
            if any(keyword.arg is None for keyword in keywords):
                raise ValueError(f"{ast.unparse(node)}: write each field by name instead of **")
            return build(name, {str(keyword.arg): evaluate(keyword.value, build) for keyword in keywords})
        case ast.Call(func=ast.Name(id=name), args=[first, *_]):
            raise ValueError(f"{ast.unparse(node)}: write {ast.unparse(first)} by its field name, {name}(field=...)")
    raise ValueError(f"{ast.unparse(node)}: expected a number, a string or Name(field=value)")


def call(allowed: Mapping[str, Callable[..., Any]], kind: str, name: str, fields: Mapping[str, Any]) -> Any:
    """allowed[name](**fields), or a ValueError that says what the nearest right name would be.

    Args:
        allowed: what may be called, by name.
        kind: what to call these in the error, such as "margin".
        name: the name that was written.
        fields: the fields that were written.
    """
    if name not in allowed:
        raise ValueError(f"{name!r} is no {kind}{did_you_mean(name, allowed)}; there are {', '.join(sorted(allowed))}")
    parameters = inspect.signature(allowed[name]).parameters
    known = list(parameters)
    takes_any = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values())
    for field in fields:
        if field not in known and not takes_any:
            raise ValueError(
                f"{name} has no field {field!r}{did_you_mean(field, known)}; it has {', '.join(known) or 'none'}"
            )
    try:
        return allowed[name](**fields)
    except TypeError as error:
        raise ValueError(f"{name}: {error}") from None


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """' (did you mean X?)' when something known is close, else nothing; of losses also by the names of papers."""
    known = list(known)
    if "ArcFace" in known or "CenterLoss" in known:
        loss = nearest_loss(name, known)
        return "" if loss in (None, name) else f" (did you mean {loss}?)"
    by_lower = {candidate.lower(): candidate for candidate in known}
    close = difflib.get_close_matches(name.lower(), by_lower, n=1)
    return f" (did you mean {by_lower[close[0]]}?)" if close else ""
