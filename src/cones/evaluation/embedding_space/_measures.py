"""Numbers as a table for reading."""

Row = tuple[str, float | None, str]
"""Name, value (None: not defined), and what it means."""


def table(title: str, rows: list[Row]) -> str:
    """Lines of name, value and meaning under a title; None is shown as "-"."""
    width = max(len(name) for name, _, _ in rows)
    lines = [f"  {name:<{width}}  {_written(value):>10}  {meaning}".rstrip() for name, value, meaning in rows]
    return "\n".join([title, *lines])


def _written(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"
