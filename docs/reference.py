"""Write the reference: a page for each public module, from its docstrings and signatures.

python docs/reference.py [--check]     (`make docs-reference`)

Public names are found by `public_names.py` beside this file.
"""

import ast
import re
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

from public_names import MODULES, Definition, defined, definitions, docstring, file_of

ROOT = Path(__file__).parents[1]
OUT = ROOT / "docs" / "reference"
WRITTEN_BY = "<!-- Written by `make docs-reference` from the docstrings; edit those. -->\n"

SECTIONS = (
    "Args", "Class attributes", "Attributes", "Returns", "Yields", "Raises", "When to use", "Reference", "Source",
    "Example",
)  # fmt: skip
LISTS = ("Args", "Class attributes", "Attributes", "Raises")
LONG = 100
"""Characters of a signature past which each argument has a line of its own."""


def main() -> None:
    """Write the pages; with --check, fail where one differs."""
    written = pages()
    if "--check" in sys.argv[1:]:
        old = [name for name, text in written.items() if not (OUT / name).exists() or (OUT / name).read_text() != text]
        sys.exit(f"out of date, run `make docs-reference`: {', '.join(old)}" if old else 0)
    OUT.mkdir(exist_ok=True)
    for name, text in written.items():
        (OUT / name).write_text(text, encoding="utf-8")
    for path in OUT.iterdir():
        if path.name not in written:
            path.unlink()


def pages() -> dict[str, str]:
    """Return the text of each page by its file's name."""
    return {"README.md": index(), **{f"{module}.md": page(module) for module in MODULES}}


def index() -> str:
    """Return the page that lists the modules and their names."""
    parts = [WRITTEN_BY, "# Reference\n", "Every public name, by module. [The losses](../losses/README.md) have pages "
             "with pictures of their own.\n"]  # fmt: skip
    for module in MODULES:
        names = ", ".join(f"[`{one.name}`]({link(one)})" for one in definitions(module))
        parts += [f"## [{module}]({module}.md)\n", f"{prose(first_line(docstring(file_of(module))))}\n", f"{names}\n"]
    return "\n".join(parts)


def page(module: str) -> str:
    """Return the page of a module."""
    parts = [WRITTEN_BY, f"# {module}\n", described(docstring(file_of(module)))]
    here = [one for one in definitions(module) if one.home == module]
    for home in sorted({one.home for one in definitions(module)} - {module}):
        names = ", ".join(f"[`{one.name}`]({link(one)})" for one in definitions(module) if one.home == home)
        parts.append(f"Also here, described in [{home}]({home}.md): {names}.\n")
    parts += ["| name | |\n|---|---|"]
    parts += [f"| [`{one.name}`](#{anchor(one)}) | {cell(first_line(one.text))} |" for one in here]
    parts += ["", *(entry(one) for one in here), "[All modules](README.md)\n"]
    return "\n".join(parts)


def entry(one: Definition) -> str:
    """Return what a page says of a name: signature, docstring, methods."""
    parts = [f"## {one.name}\n", code(signature(one)), described(one.text)]
    if isinstance(one.node, ast.ClassDef):
        for method in methods(one):
            title = f"{one.name}.{method.name}"
            if is_property(method):
                parts += [f"### {title}\n", described(ast.get_docstring(method) or "")]
            else:
                parts += [f"### {title}\n", code(call(title, method.args, method.returns, own=not is_static(method)))]
                parts += [described(ast.get_docstring(method) or "")]
    return "\n".join(parts)


def signature(one: Definition) -> str:
    """Return a name as it is called, or its value."""
    node = one.node
    if isinstance(node, ast.FunctionDef):
        return call(one.name, node.args, node.returns)
    if isinstance(node, ast.ClassDef):
        init = next((item for item in node.body if isinstance(item, ast.FunctionDef) and item.name == "__init__"), None)
        if init is not None:
            return call(one.name, init.args, None, own=True)
        return laid_out(one.name, list(fields(one)), "")
    value = ast.unparse(node)
    return value if len(value) <= 2 * LONG else value[: 2 * LONG].rsplit(",", 1)[0] + ", ..."


def fields(one: Definition) -> Iterator[str]:
    """Return the fields of a dataclass or a NamedTuple, those of its bases first."""
    assert isinstance(one.node, ast.ClassDef)
    for base in one.node.bases:
        if isinstance(base, ast.Name):
            try:
                inherited = defined(base.id, one.path, one.home)
            except (LookupError, FileNotFoundError):
                continue
            if isinstance(inherited.node, ast.ClassDef):
                yield from fields(inherited)
    words = [ast.unparse(decorator) for decorator in one.node.decorator_list]
    if not any("dataclass" in word for word in words) and "NamedTuple" not in map(ast.unparse, one.node.bases):
        return
    for item in one.node.body:
        if isinstance(item, ast.AnnAssign) and "ClassVar" not in ast.unparse(item.annotation):
            yield ast.unparse(item)


def call(name: str, given: ast.arguments, returns: ast.expr | None, *, own: bool = False) -> str:
    """Return a signature, without self where the first argument is the object's `own`."""
    positional = [*given.posonlyargs, *given.args]
    defaults = [None] * (len(positional) - len(given.defaults)) + list(given.defaults)
    parts = [argument(one, default) for one, default in zip(positional, defaults, strict=True)][own:]
    if given.vararg:
        parts.append("*" + argument(given.vararg, None))
    elif given.kwonlyargs:
        parts.append("*")
    parts += [argument(one, default) for one, default in zip(given.kwonlyargs, given.kw_defaults, strict=True)]
    return laid_out(name, parts, f" -> {ast.unparse(returns)}" if returns else "")


def argument(one: ast.arg, default: ast.expr | None) -> str:
    """Return an argument with its type and its default."""
    written = one.arg + (f": {ast.unparse(one.annotation)}" if one.annotation else "")
    return written + ("" if default is None else f" = {ast.unparse(default)}")


def laid_out(name: str, parts: list[str], end: str) -> str:
    """Return a signature in one line, or in one line an argument."""
    line = f"{name}({', '.join(parts)}){end}"
    if len(line) <= LONG:
        return line
    return f"{name}(\n" + "".join(f"    {part},\n" for part in parts) + f"){end}"


def methods(one: Definition) -> list[ast.FunctionDef]:
    """Return the public methods that have a docstring, and `__call__`."""
    assert isinstance(one.node, ast.ClassDef)
    found = [item for item in one.node.body if isinstance(item, ast.FunctionDef) and ast.get_docstring(item)]
    return [item for item in found if not item.name.startswith("_") or item.name == "__call__"]


def is_property(method: ast.FunctionDef) -> bool:
    """Tell whether a method is read as an attribute."""
    return any(ast.unparse(decorator).endswith("property") for decorator in method.decorator_list)


def is_static(method: ast.FunctionDef) -> bool:
    """Tell whether a method takes neither an object nor a class."""
    return any(ast.unparse(decorator) == "staticmethod" for decorator in method.decorator_list)


def described(text: str) -> str:
    """Return a docstring as Markdown, its sections under titles."""
    head, *rest = re.split(rf"^({'|'.join(SECTIONS)}):", text, flags=re.MULTILINE)
    parts = [prose(head.strip("\n")) + "\n"] if head.strip() else []
    for title, body in zip(rest[::2], rest[1::2], strict=True):
        shown = textwrap.dedent(body).strip("\n") if body.startswith("\n") else body.strip()
        if title == "Example":
            parts.append(f"**Example**\n\n{code(shown)}")
        elif title in LISTS:
            parts.append(f"**{title}**\n\n{listed(shown)}\n")
        else:
            parts.append(f"**{title}**: {prose(' '.join(shown.split()))}\n")
    return "\n".join(parts)


def listed(text: str) -> str:
    """Return the lines `name: meaning` of a section as a list."""
    items = re.split(r"\n(?=\S)", text)
    return "\n".join(item_of(" ".join(item.split())) for item in items if item.strip())


def item_of(text: str) -> str:
    """Return one line of a list, its name as code."""
    found = re.match(r"([\w*., ]+): (.*)", text)
    return f"- `{found[1]}`: {prose(found[2])}" if found else f"- {prose(text)}"


def code(text: str) -> str:
    """Return text as a block of Python."""
    return f"```python\n{text}\n```\n"


def first_line(text: str) -> str:
    """Return the first paragraph of a docstring, in one line."""
    return " ".join(text.split("\n\n")[0].split())


def link(one: Definition) -> str:
    """Return where a name is described."""
    return f"{one.home}.md#{anchor(one)}"


def anchor(one: Definition) -> str:
    """Return the anchor of a name's heading; the second of two that differ in case alone has a number."""
    here = [other.name for other in definitions(one.home) if other.home == one.home]
    alike = [name for name in here if name.lower() == one.name.lower()]
    return one.name.lower() + (f"-{alike.index(one.name)}" if alike.index(one.name) else "")


def cell(text: str) -> str:
    """Return text for a table."""
    return prose(text).replace("|", "\\|")


def prose(text: str) -> str:
    """Return text as Markdown: what is indented is code as it is, elsewhere nothing becomes italics or a tag."""
    return "\n".join(
        line if line.startswith("    ") else re.sub(r"(`[^`]*`)|[*<]", lambda one: one[1] or "\\" + one[0], line)
        for line in text.splitlines()
    )


if __name__ == "__main__":
    main()
