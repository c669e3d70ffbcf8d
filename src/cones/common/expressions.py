"""Configurations as text: `ArcFace(margin=0.2, scale=16.0)` read back into the value whose repr it is.

Nothing is executed: the text is parsed, and only the names that the caller allows are called. A name may be written
`package.module:Name`, for code outside of the package.
"""

import ast
import difflib
import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, cast

from .aliases import nearest_loss

Build = Callable[[str, dict[str, Any]], Any]


LENGTH = 2**22
"""Characters of an expression at most: room for the counts of some hundred thousand classes."""

DEPTH = 100
"""Brackets and operators inside each other at most; Python's parser runs out of stack at some thousands."""

ERROR_LENGTH = 380
"""Characters of an error at most, so that it stays a line."""

COLON = re.compile(r"""'[^']*'|"[^"]*"|(?<=\w):(?=\w)""")
"""A string, which is left as it is, or the colon of `package.module:Name`."""

_NOT_FINITE = ("nan", "inf", "infinity")

_NESTING = re.compile(r"""'[^']*'|"[^"]*"|[(\[{]|[)\]}]|[,=]|[^\w\s.]|\.(?=\D)|\b(?:not|lambda|if|await|yield)\b""")
"""A string, a bracket, what ends an operand, or an operator: a sign, the dot of a name, or a word of Python's."""


def parse_tree(text: str) -> ast.expr:
    """Parse one expression, or raise a ValueError that shows where parsing fails.

    `package.module:Name` comes back as one `ast.Name`.
    """
    text = text.strip()
    _check_size(text)
    # to Python a colon is no part of a name: a dot is, and is as wide, so that columns stay what they are
    dotted = COLON.sub(lambda match: "." if match[0] == ":" else match[0], text)
    try:
        tree = ast.parse(dotted, mode="eval").body
    except SyntaxError as error:
        where = f" at column {error.offset}" if error.offset else ""
        raise ValueError(
            f"cannot read {brief(text)!r}{where}: expected something like ArcFace(margin=0.3, scale=16)"
        ) from None
    except (ValueError, MemoryError, RecursionError):  # a null byte; what passed the check and is still too deep
        raise ValueError(
            f"cannot read {brief(text)!r}: expected something like ArcFace(margin=0.3, scale=16)"
        ) from None
    _check_depth(text, tree)
    return cast(ast.expr, _NamesWithColon(text).visit(tree))


def import_paths(text: str) -> list[str]:
    """Names in an expression that denote code outside of the package; nothing is imported.

    Example:
        >>> import_paths("mine:Margin(scale=2.0) + 0.1 * CenterLoss")
        ['mine:Margin']
    """
    return [node.id for node in ast.walk(parse_tree(text)) if isinstance(node, ast.Name) and ":" in node.id]


def _check_size(text: str) -> None:
    """Raise ValueError for text that is too long or too deep to be parsed.

    The depth of a place is the brackets around it and the operators before it in each of them, back to a comma.
    """
    if len(text) > LENGTH:
        raise ValueError(f"{brief(text)!r} has {len(text):,} characters, expected at most {LENGTH:,}")
    depths = [0]  # of the text and of each bracket that is open
    for token in _NESTING.finditer(text):
        match token[0][0]:
            case "'" | '"':
                continue
            case "(" | "[" | "{":
                depths.append(depths[-1] + 1)
            case ")" | "]" | "}":
                depths = depths[:-1] or [0]
            case "," | "=":
                depths[-1] = depths[-2] + 1 if len(depths) > 1 else 0
            case _:
                depths[-1] += 1
        if depths[-1] > DEPTH:
            raise _too_deep(text)


def _check_depth(text: str, tree: ast.expr) -> None:
    """Raise ValueError for a tree too deep for recursive functions.

    `_check_size` looks at the text alone, and a comment or an escaped quote can hide brackets from it.
    """
    level: list[ast.AST] = [tree]
    for _ in range(3 * DEPTH):  # a keyword and its name are levels of their own
        level = [child for node in level for child in ast.iter_child_nodes(node)]
        if not level:
            return
    raise _too_deep(text)


def _too_deep(text: str) -> ValueError:
    return ValueError(f"{brief(text)!r} is nested more than {DEPTH} deep: expected a sum of losses")


class _NamesWithColon(ast.NodeTransformer):
    """Turn `package.module:Name` from a dotted attribute back into a name."""

    def __init__(self, text: str) -> None:
        self._lines = [line.encode() for line in text.split("\n")]  # columns of a tree count bytes

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        text = self._lines[node.lineno - 1][node.col_offset : node.end_col_offset].decode(errors="replace")
        if node.lineno == node.end_lineno and re.fullmatch(r"[\w.]+:\w+", text):
            return ast.copy_location(ast.Name(id=text, ctx=ast.Load()), node)
        return cast(ast.expr, self.generic_visit(node))


def evaluate(node: ast.expr, build: Build) -> Any:
    """The value of an expression of literals and calls.

    Args:
        node: from `parse_tree`.
        build: called as build(name, fields) for every call `Name(field=value, ...)` and every bare `Name`.

    Returns:
        a number, string, truth value, None, tuple, or what `build` returned.

    Raises:
        ValueError: it is anything else; positional arguments are refused, fields are written by name.
    """
    match node:
        case ast.Constant(value=int() | float() | str() | None as value):
            return value
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as number)):
            return -number
        case ast.Tuple() | ast.List():
            return tuple(evaluate(element, build) for element in node.elts)
        case ast.Name(id=name) if name.lower() in _NOT_FINITE:
            raise ValueError(f"{name}: expected a finite number")
        case ast.UnaryOp(operand=ast.Name(id=name)) if name.lower() in _NOT_FINITE:
            raise ValueError(f"{quoted(node)}: expected a finite number")
        case ast.Call(func=ast.Name(id="float" | "int")):
            raise ValueError(f"{quoted(node)}: expected a finite number, written as it is, such as 0.5")
        case ast.Name():
            return build(node.id, {})
        case ast.Call(func=ast.Name(id=name), args=[], keywords=keywords):
            if any(keyword.arg is None for keyword in keywords):
                raise ValueError(f"{quoted(node)}: write each field by name instead of **")
            names = [brief(str(keyword.arg)) for keyword in keywords]
            for field in names:
                if names.count(field) > 1:
                    raise ValueError(f"{quoted(node)}: {field} is given twice, expected each field once")
            return build(name, {str(keyword.arg): evaluate(keyword.value, build) for keyword in keywords})
        case ast.Call(func=ast.Name(id=name), args=[first, *_]):
            raise ValueError(f"{quoted(node)}: write {quoted(first)} by its field name, {brief(name)}(field=...)")
    raise ValueError(f"{quoted(node)}: expected a number, a string or Name(field=value)")


def call(allowed: Mapping[str, Callable[..., Any]], kind: str, name: str, fields: Mapping[str, Any]) -> Any:
    """allowed[name](**fields), or a ValueError that says what the nearest right name would be.

    Args:
        allowed: what may be called, by name.
        kind: what to call these in the error, such as "margin".
        name: the name that was written.
        fields: the fields that were written.
    """
    if name not in allowed:
        known = ", ".join(sorted(allowed))
        raise ValueError(
            brief(
                f"{brief(name)!r} is not a {kind}{did_you_mean(name, allowed)}; expected one of {known}", ERROR_LENGTH
            )
        )
    parameters = inspect.signature(allowed[name]).parameters
    takes_any = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values())
    for field in fields:
        if field not in parameters and not takes_any:
            known = ", ".join(parameters) or "none"
            near = did_you_mean(field, parameters)
            raise ValueError(brief(f"{brief(name)} has no field {brief(field)!r}{near}; it has {known}", ERROR_LENGTH))
    try:
        return allowed[name](**fields)
    except (TypeError, AttributeError, OverflowError) as error:  # a field of another kind than the class works with
        raise ValueError(brief(f"{brief(name)}: {error}", ERROR_LENGTH)) from None
    except ValueError as error:
        if len(str(error)) <= ERROR_LENGTH:
            raise
        raise ValueError(brief(str(error), ERROR_LENGTH)) from None


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """' (did you mean X?)' when something known is close, else nothing; of losses also by the names of papers."""
    known = list(known)
    if "ArcFace" in known or "CenterLoss" in known:
        loss = nearest_loss(name, known)
        return "" if loss in (None, name) else f" (did you mean {loss}?)"
    by_lower = {candidate.lower(): candidate for candidate in known}
    close = difflib.get_close_matches(brief(name).lower(), by_lower, n=1)
    return f" (did you mean {by_lower[close[0]]}?)" if close else ""


def quoted(node: ast.expr) -> str:
    """The text of an expression, as an error quotes it."""
    return brief(ast.unparse(node))


def brief(text: str, length: int = 80) -> str:
    """`text` as an error quotes it: of long text the beginning and the end.

    Example:
        >>> brief("ArcFace(margin=" + 50 * "9" + ")", 30)
        'ArcFace(margin=9 ... 99999999)'
    """
    if len(text) <= length:
        return text
    first = (length - 5) * 2 // 3
    return f"{text[:first]} ... {text[first + 5 - length :]}"
