"""A loss's docstring, taken apart."""

import inspect
import re
from dataclasses import dataclass

SECTIONS = ("Args", "Attributes", "Raises", "Returns", "When to use", "Reference", "Source", "Example")


@dataclass(frozen=True)
class Field:
    """A hyperparameter.

    Attributes:
        name: as it is written.
        default: its repr, or nothing where there is none.
        meaning: what the docstring says of it.
        unit: "radians", "cosine", or nothing for a number of no unit.
    """

    name: str
    default: str
    meaning: str
    unit: str


@dataclass(frozen=True)
class Entry:
    """The docstring and the signature of a loss, taken apart.

    Attributes:
        name: of the class.
        signature: name with fields and defaults.
        summary: one line.
        formula: its lines.
        body: formula and remarks as written, formulas indented by 4.
        fields: in order.
        when: when to use it, in a sentence or two.
        reference: in one line.
    """

    name: str
    signature: str
    summary: str
    formula: tuple[str, ...]
    body: str
    fields: tuple[Field, ...]
    when: str
    reference: str


def entry(loss: type) -> Entry:
    """Take the docstring and the signature of a loss apart.

    Example:
        >>> from cones.margins import CosFace
        >>> entry(CosFace).signature, entry(CosFace).formula
        ('CosFace(margin=0.35, scale=64.0)', ('t = s (cos(theta_y) - m),   o_j = s cos(theta_j)',))
    """
    text = inspect.cleandoc(loss.__doc__ or "")
    head, *rest = re.split(rf"^({'|'.join(SECTIONS)}):", text, flags=re.MULTILINE)
    sections = dict(zip(rest[::2], rest[1::2], strict=True))
    summary, _, body = head.partition("\n\n")
    meanings = _meanings(sections.get("Args", ""))
    angles = getattr(loss, "angles", ())
    fields = tuple(
        Field(
            parameter.name,
            "" if parameter.default is parameter.empty else repr(parameter.default),
            meanings.get(parameter.name, ""),
            _unit(parameter.name in angles, meanings.get(parameter.name, "")),
        )
        for parameter in inspect.signature(loss).parameters.values()
    )
    written = ", ".join(f"{field.name}={field.default}" if field.default else field.name for field in fields)
    return Entry(
        name=loss.__name__,
        signature=f"{loss.__name__}({written})",
        summary=" ".join(summary.split()),
        formula=tuple(line.strip() for line in body.splitlines() if line.startswith("    ")),
        body=body.strip("\n"),
        fields=fields,
        when=" ".join(sections.get("When to use", "").split()),
        reference=" ".join(sections.get("Reference", "").split()),
    )


def _meanings(section: str) -> dict[str, str]:
    """The meaning of each argument, by its name."""
    meanings: dict[str, str] = {}
    for names, meaning in re.findall(r"^    (\w[\w, ]*): (.*(?:\n {5,}.*)*)", section, flags=re.MULTILINE):
        meanings |= dict.fromkeys(names.split(", "), " ".join(meaning.split()))
    return meanings


def _unit(angle: bool, meaning: str) -> str:
    if angle or "radians" in meaning:
        return "radians"
    return "cosine" if "cosine units" in meaning else ""
