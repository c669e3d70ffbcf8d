"""Parts shared by all pages: figures kept inside the page, and templates filled in."""

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import jinja2
from matplotlib.figure import Figure

from ..common.printable import printable_lines
from ..common.run_folder import FIGURES, inner_folder
from ._save import save

TEMPLATES = Path(__file__).parent


@dataclass(frozen=True)
class Section:
    """A figure in the page, drawn for a wide screen and for a narrow one, as data URIs; no narrow one where it is
    the same."""

    title: str
    text: str
    wide: str
    narrow: str


def section(folder: Path, name: str, title: str, text: str, draw: Callable[[int], Figure], *, columns: int) -> Section:
    """Draw with `columns` panels in a line and with half of them, save both, and keep them for the page."""
    figures = inner_folder(folder, FIGURES)
    wide, _ = save(draw(columns), figures / name)
    narrow, _ = save(draw(columns // 2), figures / f"{name}-narrow")
    return Section(title, text, _data_uri(wide), _data_uri(narrow))


def single_section(folder: Path, name: str, title: str, text: str, figure: Figure) -> Section:
    """Save a figure of one panel, which is the same on every screen, and keep it for the page."""
    path, _ = save(figure, inner_folder(folder, FIGURES) / name)
    return Section(title, text, _data_uri(path), "")


def render(template: str, values: Mapping[str, object]) -> str:
    """Fill in `template`, a file beside this one; text is escaped, its control characters too, and a value that is
    missing is an error."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=lambda value: printable_lines(value) if type(value) is str else value,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template).render(values)


def _data_uri(path: Path) -> str:
    return "data:image/svg+xml;base64," + base64.b64encode(path.read_bytes()).decode("ascii")
