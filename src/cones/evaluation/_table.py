"""Tables of text."""

from collections.abc import Sequence

from .figure import Figure

Row = tuple[str, float | None, str]
"""Name, value (None: not defined), and its meaning."""


def table(lines: Sequence[Sequence[str]]) -> str:
    """Lines of cells, the columns flush left and two spaces apart."""
    # the last cell of a line widens no column
    widths = [0] * max(len(line) for line in lines)
    for line in lines:
        filled = [i for i, cell in enumerate(line) if cell]
        for i in filled[:-1]:
            widths[i] = max(widths[i], len(line[i]))
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def table_of_rows(title: str, rows: list[Row]) -> str:
    """Lines of name, value and meaning under a title; None is shown as "-"."""
    width = max(len(name) for name, _, _ in rows)
    lines = [f"  {name:<{width}}  {_number(value):>10}  {meaning}".rstrip() for name, value, meaning in rows]
    return "\n".join([title, *lines])


def row_of(figure: Figure) -> Row:
    """A figure as a row; its unit, where it has one, comes before its note."""
    return figure.name, figure.value, ", ".join(filter(None, (figure.unit, figure.note)))


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"
