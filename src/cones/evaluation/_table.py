"""Numbers as a table of text."""

from collections.abc import Sequence

from cones.evaluation._bootstrap import Interval


def table(lines: Sequence[Sequence[str]]) -> str:
    """Lines of cells, the columns flush left and two spaces apart."""
    # a long last cell of its line widens no column
    widths = [0] * max(len(line) for line in lines)
    for line in lines:
        filled = [i for i, cell in enumerate(line) if cell]
        for i in filled[:-1]:
            widths[i] = max(widths[i], len(line[i]))
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def share(value: float | Interval | None) -> str:
    """A share or its interval in percent."""
    if value is None:
        return "n/a"
    if isinstance(value, tuple):
        return f"{100 * value[0]:.2f}..{100 * value[1]:.2f}%"
    return f"{100 * value:.2f}%"
