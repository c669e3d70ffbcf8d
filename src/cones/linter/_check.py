import traceback
from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType

import torch
from torch import Tensor

from ..engine.similarity import start_of_statistics
from ..margins import Margin
from . import _contract, _cost, _engine, _form, _gradient, _order, _slopes, _values
from ._report import Cost, Finding, MarginReport
from ._subject import Subject, batch

Check = Callable[[Subject], Finding]

NO_STATISTICS: Mapping[str, Tensor] = MappingProxyType({})

FORM: dict[str, Check] = {
    "frozen dataclass": _form.frozen,
    "repr": _form.readable,
    "hashable": _form.hashable,
    "class attributes": _form.class_attributes,
}
SHAPES: dict[str, Check] = {
    "statistics": _contract.statistics,
    "shapes and dtypes": _contract.shapes,
}
CONTRACT: dict[str, Check] = {
    "few rows": _contract.few,
    "repeatable": _contract.repeatable,
    "inputs kept": _contract.kept,
    "rows independent": _contract.independent,
    "elementwise": _contract.elementwise,
}
NUMBERS: dict[str, Check] = {
    "finite": _values.finite,
    "continuous": _values.continuous,
    "continuous slope": _values.smooth,
    "monotone target": _order.target_falls,
    "monotone others": _order.others_rise,
    "below neutral": _order.below_neutral,
    "gradient": _gradient.gradient,
    "gradient sign": _slopes.sign,
    "gradient at the poles": _slopes.poles,
}
ENGINE: dict[str, Check] = {
    "engine": _engine.engine_equals_dense,
    "finite at the edges": _engine.edges,
}


def check_margin(margin: Margin, *, num_classes: int = 10, dim: int = 8, detached: bool = False) -> MarginReport:
    """Check a margin against its contract, and report in words what holds and what does not.

    Its logits are followed over the angles from 0 to pi, its gradients are held against finite differences, its
    functions are asked in pieces and as a whole, and the engine is held against the dense form. A margin that raises is
    reported, too.

    Args:
        margin: any Margin, of this package or of your own.
        num_classes: K, at least 2; as many as the margin has counts, where it has some.
        dim: D, at least 2.
        detached: whether part of the loss is a constant for the gradient by definition, so that a gradient that is not
            the value's only warns.

    Returns:
        a MarginReport: `ok`, `findings`, `cost`; print it for a table, `figure()` draws it.

    Raises:
        TypeError: margin is not a Margin, or a class instead of a value.
        ValueError: num_classes or dim is below 2.

    Source: what the contract of `Margin` asks; central differences for the slopes.

    Example:
        >>> from cones import ArcFace
        >>> check_margin(ArcFace()).ok
        True
        >>> report = check_margin(ArcFace(tail="plain"))
        >>> [finding.name for finding in report.findings if finding.verdict == "fails"]
        ['monotone target', 'below neutral', 'gradient sign']
    """
    if isinstance(margin, type):
        raise TypeError(f"margin is the class {margin.__name__}, expected a value: write {margin.__name__}()")
    if not isinstance(margin, Margin):
        raise TypeError(f"margin is {margin!r}, expected a cones.Margin such as ArcFace(margin=0.5, scale=64.0)")
    for name, value in (("num_classes", num_classes), ("dim", dim)):
        if value < 2:
            raise ValueError(f"{name} is {value}, expected at least 2")
    with torch.random.fork_rng(devices=[]):  # the caller's random numbers stay where they were
        return _report(_subject(margin, num_classes, dim, detached))


def _report(subject: Subject) -> MarginReport:
    findings = _judge(subject, FORM) | _judge(subject, SHAPES)
    findings |= _after(subject, CONTRACT, findings, "shapes and dtypes")
    draws = subject.margin.draws or findings["repeatable"].verdict == "warns"
    alone = draws or findings["rows independent"].verdict == "fails"
    subject = subject._replace(alone=alone)
    findings |= _after(subject, NUMBERS, findings, "shapes and dtypes", "repeatable")
    findings |= _after(subject, ENGINE, findings, "shapes and dtypes", "repeatable", "elementwise", "inputs kept")
    return MarginReport(subject.margin, tuple(findings.values()), _cost_of(subject, findings), subject.num_classes)


def _judge(subject: Subject, checks: Mapping[str, Check]) -> dict[str, Finding]:
    findings = {}
    for name, check in checks.items():
        try:
            finding = check(subject)
        except Exception as error:
            finding = Finding("fails", _what_raised(error, subject.margin))
        findings[name] = replace(finding, name=name)
    return findings


def _after(
    subject: Subject, checks: Mapping[str, Check], findings: Mapping[str, Finding], *names: str
) -> dict[str, Finding]:
    """Run checks, unless one that they depend on has failed."""
    for name in names:
        if findings[name].verdict == "fails":
            return {check: Finding("not applicable", f"waits for: {name}", name=check) for check in checks}
    return _judge(subject, checks)


def _subject(margin: Margin, num_classes: int, dim: int, detached: bool) -> Subject:
    """The margin with its running numbers at the start and after a batch; without them if computing them fails."""
    subject = Subject(margin, num_classes, dim, detached, NO_STATISTICS, NO_STATISTICS)
    try:
        start = start_of_statistics(margin, num_classes, torch.device("cpu"))
    except Exception:
        return subject
    subject = subject._replace(statistics=start, later=start)
    try:
        asked = batch(subject).copy()
        later = margin.update_statistics(asked.rows.statistics, asked.rows, lambda: torch.ones_like(asked.rows[0]))
        return subject._replace(later=dict(later))
    except Exception:
        return subject


def _cost_of(subject: Subject, findings: Mapping[str, Finding]) -> Cost | None:
    if findings["shapes and dtypes"].verdict == "fails":
        return None
    try:
        return _cost.cost_of(subject)
    except Exception:  # a check has reported it
        return None


def _what_raised(error: Exception, margin: Margin) -> str:
    """Name the margin's function that raised, or else the check, with the first line of the error."""
    raised = "the check"
    for frame, _ in traceback.walk_tb(error.__traceback__):
        if isinstance(frame.f_locals.get("self"), type(margin)):
            raised = frame.f_code.co_name
            break
    lines = str(error).strip().splitlines()
    return f"{raised} raised {type(error).__name__}" + (f": {lines[0]}" if lines else "")
