"""Contract: shapes and dtypes, elementwise functions, no state, no argument modified."""

from collections.abc import Callable

import torch
from torch import Tensor

from ._report import Finding
from ._subject import Batch, Subject, answers, batch

CLOSE = 1e-10


def shapes(subject: Subject) -> Finding:
    """Each function returns the shape and the dtype it should."""
    for dtype in (torch.float64, torch.float32):
        wrong = _wrong(subject, batch(subject, dtype=dtype))
        if wrong:
            return Finding("fails", wrong)
    bias = subject.margin.class_bias(subject.num_classes)
    if bias is not None and bias.shape != (subject.num_classes,):
        return Finding("fails", f"class_bias has shape {tuple(bias.shape)}, expected ({subject.num_classes},)")
    return Finding("holds", "every function returns the right shape and dtype, in float64 and float32")


def few(subject: Subject) -> Finding:
    """No rows, one row, one other class."""
    for num_rows, num_others in ((0, 7), (1, 1)):
        wrong = _wrong(subject, batch(subject, num_rows, num_others))
        if wrong:
            return Finding("fails", f"with {num_rows} rows and {num_others} other classes: {wrong}")
    return Finding("holds", "no rows, one row and one other class give correct results")


def repeatable(subject: Subject) -> Finding:
    """The same arguments give the same result; random draws come from torch's generator."""
    asked = batch(subject)
    first, again, other = (dict(answers(subject, asked, seed)) for seed in (0, 0, 1))
    for name, value in first.items():
        if not _equal(value, again[name]):
            return Finding(
                "fails",
                f"{name} gives two results for the same arguments: it keeps state, or draws from another generator",
            )
    drawn = [name for name, value in first.items() if not _equal(value, other[name])]
    if drawn:
        return Finding("warns", f"{drawn[0]} draws at random: it is checked row by row, with the same draw for each")
    if subject.margin.draws:
        return Finding("holds", "the same rows with the same rows.noise always have the same logits")
    return Finding("holds", "the same rows always have the same logits")


def kept(subject: Subject) -> Finding:
    """Arguments are not modified in place."""
    margin, before = subject.margin, batch(subject)
    asked, target = before.copy(), dict(answers(subject, before))["target"]
    calls: dict[str, Callable[[], object]] = {
        "target": lambda: margin.target(asked.rows.similarity, asked.rows),
        "others": lambda: margin.others(asked.similarity, target, asked.rows),
        "penalty": lambda: margin.penalty(asked.rows),
    }
    for name, ask in calls.items():
        target_before = target.clone()
        ask()
        changed = _changed(before, asked) + ([] if _equal(target, target_before) else ["target"])
        if changed:
            return Finding("fails", f"{name} changes {changed[0]} in place: the engine still needs it")
    return Finding("holds", "no function changes its arguments")


def independent(subject: Subject) -> Finding:
    """A row's logits do not depend on the other rows of the batch."""
    asked = batch(subject)
    whole = dict(answers(subject, asked))
    if any(not _equal(value, dict(answers(subject, asked, seed=1))[name]) for name, value in whole.items()):
        return Finding("not applicable", "the margin draws at random, so rows differ by position")
    some = torch.tensor([7, 2, 5, 1])
    alone = dict(answers(subject, asked.take(some)))
    for name, value in whole.items():
        if not _close(alone[name], value[some]):
            gap = _gap(alone[name], value[some])
            return Finding("fails", f"{name} of a row differs by {gap} with other rows beside it")
    return Finding("holds", "no row depends on the rows beside it")


def elementwise(subject: Subject) -> Finding:
    """The logit of a class does not depend on the other classes of its tile."""
    asked = batch(subject)
    whole = dict(answers(subject, asked))
    names = [name for name in ("others", "class_loss") if name in whole]
    for start, stop in ((0, 1), (1, 4), (4, 7)):
        tile = dict(answers(subject, asked._replace(similarity=asked.similarity[:, start:stop])))
        for name in names:
            if not _close(tile[name], whole[name][:, start:stop]):
                gap = _gap(tile[name], whole[name][:, start:stop])
                return Finding("fails", f"{name} of a class differs by {gap} with other classes in its tile")
    return Finding("holds", "the logit of a class does not depend on the classes in its tile")


def statistics(subject: Subject) -> Finding:
    """The running numbers are updated by a pure function of batches, as small as one row."""
    subject.margin.check(subject.num_classes)
    start = subject.margin.init_statistics(subject.num_classes)
    if not start:
        return Finding("not applicable", "keeps no running numbers")
    for num_rows in (12, 1):
        asked = batch(subject, num_rows)
        wrong = _wrong_update(subject, asked)
        if wrong:
            return Finding("fails", f"update_statistics, for {num_rows} rows, {wrong}")
    return Finding("holds", f"{', '.join(start)}: updated by a pure function, finite, also for one row")


def _wrong_update(subject: Subject, asked: Batch) -> str | None:
    given, rest = asked.copy(), torch.linspace(1.0, 3.0, len(asked.rows.label), dtype=torch.float64)
    first, again = (
        subject.margin.update_statistics(given.rows.statistics, given.rows, lambda: rest.clone()) for _ in range(2)
    )
    changed = _changed(asked, given)
    if changed:
        return f"changes {changed[0]} in place: return new numbers"
    if set(first) != set(asked.rows.statistics):
        return f"returns {', '.join(sorted(first)) or 'nothing'}, expected {', '.join(sorted(asked.rows.statistics))}"
    for name, value in first.items():
        if not isinstance(value, Tensor) or value.dim() != 0:
            return f"returns {name} as {value!r}, expected a tensor of 0 dimensions"
        if not torch.isfinite(value):
            return f"returns {name} = {float(value)}"
        if not _equal(value, again[name]):
            return f"answers in two ways for {name}: it remembers"
    return None


def _wrong(subject: Subject, asked: Batch) -> str | None:
    expected = {"others": asked.similarity.shape, "class_loss": asked.similarity.shape}
    for name, value in answers(subject, asked):
        if not isinstance(value, Tensor):
            return f"{name} returns {value!r}, expected a tensor"
        shape = expected.get(name, asked.rows.similarity.shape)
        if value.shape != shape:
            return f"{name} has shape {tuple(value.shape)}, expected {tuple(shape)}"
        if value.dtype != asked.similarity.dtype:
            return f"{name} has dtype {value.dtype}, expected that of its arguments, {asked.similarity.dtype}"
    return None


def _changed(before: Batch, after: Batch) -> list[str]:
    (rows, similarity), (rows_after, similarity_after) = before, after
    numbers = ("similarity", "feature_norm", "weight_norm", "label")
    changed = [f"rows.{name}" for name in numbers if not _equal(getattr(rows, name), getattr(rows_after, name))]
    changed += [] if _equal(similarity, similarity_after) else ["similarity"]
    same = set(rows.statistics) == set(rows_after.statistics) and all(
        _equal(value, rows_after.statistics[name]) for name, value in rows.statistics.items()
    )
    return changed + ([] if same else ["statistics"])


def _equal(one: Tensor, other: Tensor) -> bool:
    return torch.equal(one.nan_to_num(), other.nan_to_num())


def _close(one: Tensor, other: Tensor) -> bool:
    return torch.allclose(one, other, rtol=CLOSE, atol=CLOSE, equal_nan=True)


def _gap(one: Tensor, other: Tensor) -> str:
    return f"{float((one - other).detach().abs().max()):.3g}"
