"""Subjects of the page on differences, and formatting of results."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

import cones
from benchmarks.differences.peers import OML, PML, version
from cones import Margin

FORMULA = "formula, not run"
SOURCE = "read in its source, not run"


@dataclass(frozen=True)
class Line:
    """Results of one library and of cones in one case."""

    who: str
    case: str
    theirs: str
    ours: str


@dataclass(frozen=True)
class Subject:
    """Subject of the page: its lines, and the reason for what cones does.

    Attributes:
        title: of its section; D1 to D14 as in tests/engine/test_peer_defects.py.
        lines: of its table.
        why: a sentence or two.
    """

    title: str
    lines: tuple[Line, ...]
    why: str


def pml() -> str:
    """pytorch-metric-learning and its version."""
    return f"{PML} {version(PML)}"


def oml() -> str:
    """open-metric-learning and its version."""
    return f"{OML} {version(OML) or 'not installed here'}"


def number(value: Tensor | float, digits: int = 4) -> str:
    """Format a number with `digits` decimal places."""
    return f"{float(value):.{digits}f}"


def largest(gradient: Tensor | None) -> str:
    """Size of the largest entry of a gradient; NaN is one."""
    assert gradient is not None
    return "NaN" if gradient.isnan().any() else f"{float(gradient.abs().max()):.3g}"


def dtype(tensor: Tensor | None) -> str:
    """Its dtype, without torch."""
    assert tensor is not None
    return str(tensor.dtype).removeprefix("torch.")


def error_of(call: Callable[[], object]) -> str:
    """Class and first line of the error that a call raises, or what it returns."""
    try:
        returned = call()
    except Exception as error:  # whatever a library raises is the answer
        return f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}".removesuffix(": ")
    return f"no error, {returned}"


def warning_of(call: Callable[[], object]) -> str:
    """The first warning that a call gives, or that there is none."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        call()
    return f"warning: {caught[0].message}" if caught else "no warning"


def target(margin: Margin, cosine: Tensor) -> Tensor:
    """The own class's logit (N,) of a margin at cosines (N,)."""
    one = torch.ones_like(cosine)
    return margin.target(cosine, cones.Rows(cosine, one, one, torch.zeros(len(cosine), dtype=torch.long), {}))
