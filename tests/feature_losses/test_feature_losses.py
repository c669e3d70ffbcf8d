"""Contract of every feature loss."""

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor

import cones
import cones.feature_losses
from cones import (
    MHE,
    BatchCOCO,
    CirclePairs,
    ContrastiveAgents,
    ContrastiveCenter,
    DiscFace,
    TripletAgents,
)
from tests.losses import every_pair, problem
from tests.references.features import FEATURE_CASES, by_name

FIELDS_OF: dict[str, dict[str, Any]] = {"RingLoss": {"radius": 2.0}, "UNPG": {"scale": 4.0}, "VPL": {"start": 0}}
"""Fields with which a loss is tested instead of its defaults."""

MORE: dict[str, dict[str, Any]] = {
    "TripletAgents, hardest": {"hardest": True},
    "MHE, power 1": {"power": 1},
    "MHE, power 2": {"power": 2},
}
"""Settings beside those of FIELDS_OF, by a loss's name and a word."""

KINDS = sorted(cones.feature_losses.__all__)


def arguments(name):
    """The names of the arguments that a loss is called with."""
    kind = getattr(cones, name.split(",")[0])
    return set(inspect.signature(kind.forward if issubclass(kind, torch.nn.Module) else kind.__call__).parameters)


# called with features, weight, labels and, where the loss has one, a reduction; the mean without
MEAN: dict[str, Callable[..., Tensor]] = {
    name: partial(by_name, getattr(cones, name.split(",")[0]), **fields)
    for name, fields in ({name: FIELDS_OF.get(name, {}) for name in KINDS} | MORE).items()
}
OF_ROWS = {name: call for name, call in MEAN.items() if "reduction" in arguments(name)}
OF_ALL = {name: call for name, call in MEAN.items() if name not in OF_ROWS}

ABSOLUTE = {"CenterLoss", "ContrastiveCenter"}
"""Losses of the place of a feature, which pull at one in the origin too."""

DTYPES = [torch.float64, torch.float32, torch.bfloat16, torch.float16]

each_loss = pytest.mark.parametrize("name", MEAN)
each_loss_of_rows = pytest.mark.parametrize("name", OF_ROWS)


def gradients(name, x, w, y, *, autocast=False):
    """The mean loss, and the gradients of features and weight, zero where it does not depend on them."""
    x, w = x.detach().requires_grad_(), w.detach().requires_grad_()
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        loss = MEAN[name](x, w, y)
    loss.backward()
    return loss.detach(), *(torch.zeros_like(leaf) if leaf.grad is None else leaf.grad for leaf in (x, w))


def test_every_feature_loss_is_public_and_has_its_formula():
    assert set(KINDS) <= set(cones.__all__)
    assert set(KINDS) == set(FEATURE_CASES)


@pytest.mark.parametrize("name", KINDS)
def test_value_is_that_of_the_formula(name):
    x, w, y, _ = problem(n=7, k=9, d=4, seed=3)
    y = torch.where(torch.arange(7) % 3 == 0, y[0], y)  # some class more than once
    at = (x.numpy(), w.numpy())
    expected = FEATURE_CASES[name].formula(*at, y.numpy(), *at)
    assert FEATURE_CASES[name].call(x, w, y).item() == pytest.approx(expected, rel=1e-12, abs=1e-12)


@each_loss_of_rows
def test_reductions(name):
    x, w, y, _ = problem()
    rows = OF_ROWS[name](x, w, y, "none")
    assert rows.shape == (7,)
    torch.testing.assert_close(OF_ROWS[name](x, w, y, "sum"), rows.sum())
    torch.testing.assert_close(OF_ROWS[name](x, w, y, "mean"), rows.mean())
    with pytest.raises(ValueError, match="reduction is 'avg'"):
        OF_ROWS[name](x, w, y, "avg")


@each_loss_of_rows
def test_gradcheck_of_rows(name):
    x, w, y, _ = problem(k=9)
    assert torch.autograd.gradcheck(
        lambda x, w: OF_ROWS[name](x, w, y, "none"), (x.requires_grad_(), w.requires_grad_())
    )


# the factors of circle loss are not differentiated by its definition: its gradient has a test of its own
@pytest.mark.parametrize("name", sorted(set(OF_ALL) - {"CirclePairs"}))
def test_gradcheck_of_all(name):
    _, w, _, _ = problem(k=9)
    assert torch.autograd.gradcheck(lambda w: OF_ALL[name](None, w, None), w.requires_grad_())


@each_loss
@pytest.mark.parametrize("dtype", DTYPES)
def test_vectors_of_any_size(name, dtype):
    """No NaN, and infinity only where the true value overflows: here that of squares of huge numbers."""
    x, w, y = every_pair(dtype, torch.finfo(dtype).max / 4)
    loss, dx, dw = gradients(name, x, w, y)
    assert torch.isfinite(loss) or (name in {"CenterLoss", "RingLoss"} and loss == torch.inf)
    assert not dx.isnan().any()
    assert not dw.isnan().any()
    assert (dw[0] == 0).all()  # of the zero row
    assert torch.isfinite(dx[24:]).all()  # of rows of ordinary length and more
    assert torch.isfinite(dw[4:]).all()


@each_loss
@pytest.mark.parametrize("dtype", DTYPES)
def test_edges_are_finite(name, dtype):
    """Zero, identical, opposite and large features, on and across class directions; zero and equal weight rows."""
    x = torch.zeros(7, 5, dtype=torch.float64)
    x[1, :2], x[2, :2], x[3, :2], x[4, 0], x[5, 1], x[6, 1] = 300.0, 300.0, -300.0, 0.5, 2.0, 0.1
    w = torch.zeros(6, 5, dtype=torch.float64)
    w[0, 0], w[1, 1], w[2, 0], w[3, 0], w[4, :2] = 1.0, 2.0, -3.0, 0.5, 0.25  # row 5 stays zero
    y = torch.tensor([0, 4, 4, 4, 0, 5, 2])
    loss, dx, dw = gradients(name, x.to(dtype), w.to(dtype), y)
    # the modules' own parameters are float32
    assert loss.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
    assert dx.dtype == dw.dtype == dtype
    assert torch.isfinite(loss)
    assert torch.isfinite(dx).all()
    assert torch.isfinite(dw).all()
    assert (dw[5] == 0).all()
    if name not in ABSOLUTE | {"BatchCOCO"}:  # a feature in the origin has its part in its class's centroid
        assert (dx[0] == 0).all()


@each_loss
def test_no_rows_is_zero(name):
    x, w = torch.zeros(0, 5), torch.eye(1, 5)
    loss, dx, dw = gradients(name, x, w, torch.zeros(0, dtype=torch.long))
    assert loss.item() == 0
    assert dx.shape == (0, 5)
    assert (dw == 0).all()


@each_loss_of_rows
def test_no_rows_of_many_classes(name):
    x, w, y = torch.zeros(0, 5), torch.randn(4, 5), torch.zeros(0, dtype=torch.long)
    assert OF_ROWS[name](x, w, y, "none").shape == (0,)
    loss, _, dw = gradients(name, x, w, y)
    assert loss.item() == 0
    assert (dw == 0).all()


@each_loss
@pytest.mark.parametrize("rows", [1, 4])
def test_one_class(name, rows):
    x, w, y, _ = problem(rows, 1)
    loss, dx, dw = gradients(name, x, w, y)
    assert torch.isfinite(loss)
    assert torch.isfinite(dx).all()
    assert torch.isfinite(dw).all()
    if name.split(",")[0] in {"BatchCOCO", "CirclePairs", "MHE", "RegularFace", "TripletAgents"}:  # made of others
        assert loss == 0
        assert (dx == 0).all()
        assert (dw == 0).all()


@each_loss
def test_float32_is_near_float64(name):
    x, w, y, _ = problem(32, 40, 16, seed=2)
    for one, true in zip(gradients(name, x.float(), w.float(), y), gradients(name, x, w, y), strict=True):
        torch.testing.assert_close(one.double(), true, rtol=1e-4, atol=1e-5)


@each_loss
def test_autocast_changes_nothing(name):
    x, w, y, _ = problem(k=5, dtype=torch.float32)
    plain = gradients(name, x, w, y)
    for one, other in zip(gradients(name, x, w, y, autocast=True), plain, strict=True):
        assert torch.equal(one, other)


@each_loss
def test_order_of_rows_does_not_matter(name):
    x, w, y, _ = problem()
    order = torch.tensor([3, 1, 6, 0, 5, 2, 4])
    torch.testing.assert_close(MEAN[name](x[order], w, y[order]), MEAN[name](x, w, y))


@pytest.mark.parametrize("name", [name for name in MEAN if name not in ABSOLUTE | {"FeatureIncay", "RingLoss"}])
@pytest.mark.parametrize("factor", [1e-30, 1e30])
def test_what_looks_at_directions_takes_any_length(name, factor):
    """Squares of these would overflow or vanish in float32."""
    x, w, y, _ = problem(dtype=torch.float32)
    loss, dx, dw = gradients(name, x * factor, w * factor, y)
    torch.testing.assert_close(loss, MEAN[name](x, w, y), rtol=1e-5, atol=1e-5)
    assert torch.isfinite(dx).all()
    assert torch.isfinite(dw).all()


@pytest.mark.parametrize("name", KINDS)
def test_docstring(name):
    kind = getattr(cones, name)
    sections = ["Reference:", "Example:"] + (["Args:", "Raises:"] if inspect.signature(kind).parameters else [])
    for section in sections:
        assert section in kind.__doc__, f"{name} says nothing under {section}"
    assert "\n    " in kind.__doc__
    call = kind.forward if issubclass(kind, torch.nn.Module) else kind.__call__
    assert "Raises:" in call.__doc__


@pytest.mark.parametrize("name", KINDS)
def test_repr_is_the_configuration(name):
    kind = getattr(cones, name)
    if not issubclass(kind, torch.nn.Module):
        assert eval(repr(kind()), {name: kind}) == kind()


VECTORS = [name for name in KINDS if name not in {"CenterLoss", "FeatureIncay", "RingLoss"}]


@pytest.mark.parametrize("name", VECTORS)
def test_wrong_vectors(name):
    x, w, y, _ = problem()
    with pytest.raises(
        TypeError, match=r"(features|weight) has dtype torch.int64, expected a floating dtype: call \w+"
    ):
        MEAN[name](x.long(), w.long(), y)
    flat = w.flatten()[:5] if name in {"MHE", "RegularFace"} else w
    with pytest.raises(
        ValueError, match=r"(features|weight) has shape \(5,\), expected 2 dimensions, one vector per row"
    ):
        MEAN[name](x[0], flat, y)


@pytest.mark.parametrize("name", ["ContrastiveAgents", "TripletAgents", "DiscFace"])
def test_wrong_agents(name):
    x, w, y, _ = problem()
    with pytest.raises(ValueError, match=r"features has 4 dims and weight 5: both must have the same D"):
        MEAN[name](x[:, :4], w, y)
    with pytest.raises(ValueError, match=r"weight has shape \(0, 5\), expected at least one class"):
        MEAN[name](x, w[:0], y)


@pytest.mark.parametrize("name", ["MHE", "RegularFace"])
def test_no_classes(name):
    with pytest.raises(ValueError, match=r"weight has shape \(0, 5\), expected at least one class"):
        MEAN[name](None, torch.zeros(0, 5), None)


@pytest.mark.parametrize("name", [name for name in KINDS if "labels" in arguments(name)])
def test_wrong_labels(name):
    x, w, y, _ = problem()
    with pytest.raises(TypeError, match=r"labels has dtype torch.float32, expected integers: call labels.long\(\)"):
        MEAN[name](x, w, y.float())
    with pytest.raises(ValueError, match=r"labels has shape \(7, 1\), expected \(7,\).*squeeze"):
        MEAN[name](x, w, y[:, None])
    y = y.clone()
    y[3] = -1
    with pytest.raises(ValueError, match=r"labels\[3\] is -1"):
        MEAN[name](x, w, y)
    if name != "CirclePairs":
        y[3] = 23
        with pytest.raises(ValueError, match=r"labels\[3\] is 23, .* 23 classes"):
            MEAN[name](x, w, y)


FIELDS = [
    (lambda: ContrastiveAgents(margin=-1.0), r"ContrastiveAgents: margin is -1.0, expected a finite number of at"),
    (lambda: TripletAgents(margin=float("nan")), r"TripletAgents: margin is nan, expected a finite number of at"),
    (lambda: BatchCOCO(scale=0.0), r"BatchCOCO: scale is 0.0, expected a finite number above 0"),
    (lambda: CirclePairs(margin=-0.1), r"CirclePairs: margin is -0.1, expected a finite number of at least 0"),
    (lambda: CirclePairs(scale=float("inf")), r"CirclePairs: scale is inf, expected a finite number above 0"),
    (lambda: ContrastiveCenter(0, 2), r"ContrastiveCenter: num_classes is 0 and dim 2, expected at least 1 each"),
    (lambda: ContrastiveCenter(2, 2, delta=0.0), r"ContrastiveCenter: delta is 0.0, expected a finite number above"),
    (lambda: DiscFace(0), r"DiscFace: dim is 0, expected at least 1"),
    (lambda: MHE(power=-1), r"MHE: power is -1, expected a finite number of at least 0"),
    (lambda: MHE(floor=0.0), r"MHE: floor is 0.0, expected a finite number above 0"),
    (lambda: BatchCOCO()(torch.zeros(0, 2), torch.zeros(0).long(), 0), r"num_classes is 0, expected at least 1"),
    (
        lambda: ContrastiveCenter(3, 2)(torch.zeros(1, 3), torch.tensor([0])),
        r"features has shape \(1, 3\), expected \(N, 2\): ContrastiveCenter has dim=2",
    ),
    (
        lambda: DiscFace(2)(torch.zeros(1, 3), torch.eye(3), torch.tensor([0])),
        r"features has shape \(1, 3\), expected \(N, 2\): DiscFace has dim=2",
    ),
]


@pytest.mark.parametrize(("call", "text"), FIELDS, ids=[text for _, text in FIELDS])
def test_wrong_fields_and_sizes(call, text):
    with pytest.raises(ValueError, match=text):
        call()
