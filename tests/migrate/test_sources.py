"""Heads built from another library's weights, against formulas in NumPy that are independent of cones."""

import math

import numpy as np
import pytest
import torch

from cones import ArcFace, ASoftmax, CosFace, LSoftmax, NormFace
from cones.migrate import (
    Reference,
    WeightsError,
    compare,
    formulas,
    from_insightface,
    from_oml,
    from_pytorch_metric_learning,
    from_wespeaker,
)
from tests.narrowing import grad_of, instance_of

N, K, D = 7, 23, 5


def matrix(rows, columns, seed=0):
    return torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def cosines(x, w):
    return x @ w.T / np.outer(np.linalg.norm(x, axis=1), np.linalg.norm(w, axis=1))


def numpy_losses(x, w, y, bend, length=lambda x, w: 1.0, centers=1):
    """Losses of the formula: cosines with the own one bent, times a length."""
    rows = np.arange(len(x))
    c = cosines(x, w).reshape(len(x), -1, centers).max(axis=2)
    c[rows, y] = bend(np.arccos(c[rows, y]))
    z = c * length(x, w)
    return np.log(np.exp(z - z.max(axis=1, keepdims=True)).sum(axis=1)) + z.max(axis=1) - z[rows, y]


def arc(m, beyond):
    return lambda theta: np.where(theta <= np.pi - m, np.cos(theta + m), beyond(np.cos(theta)))


def psi(m):
    def bend(theta):
        k = np.floor(m * theta / np.pi)
        return (-1) ** k * np.cos(m * theta) - 2 * k

    return bend


def check(head, bend, w, *, scale=1.0, length=lambda x, w: 1.0, centers=1):
    """Losses and logits of a head equal the formula's, near the class, far from it and past pi - m."""
    x = matrix(3 * N, D, seed=1).numpy()
    y = np.arange(3 * N) % head.num_classes
    own = w.reshape(-1, centers, D)[y, 0]
    x[N : 2 * N] = 0.5 * x[N : 2 * N] + 2 * own[N : 2 * N]
    x[2 * N :] = 0.1 * x[2 * N :] - 3 * own[2 * N :]
    losses = head(torch.from_numpy(x), torch.from_numpy(y), reduction="none").detach().numpy()
    expected = numpy_losses(x, w, y, bend, lambda x, w: scale * length(x, w), centers)
    np.testing.assert_allclose(losses, expected, rtol=1e-11, atol=1e-11)
    logits = scale * length(x, w) * cosines(x, w).reshape(len(x), -1, centers).max(axis=2)
    np.testing.assert_allclose(head.logits(torch.from_numpy(x)).detach().numpy(), logits, rtol=1e-11, atol=1e-11)


def features_length(x, w):
    return np.linalg.norm(x, axis=1)[:, None]


def both_lengths(x, w):
    return np.outer(np.linalg.norm(x, axis=1), np.linalg.norm(w, axis=1))


PML = [
    ("ArcFaceLoss", {}, ArcFace(math.radians(28.6), 64.0, "monotone"), 64.0, None),
    ("ArcFaceLoss", {"margin": 57.3, "scale": 8}, ArcFace(math.radians(57.3), 8.0, "monotone"), 8.0, None),
    ("CosFaceLoss", {"margin": 0.2}, CosFace(0.2, 64.0), 64.0, None),
    ("SphereFaceLoss", {}, ASoftmax(4, 1.0), 1.0, features_length),
    ("SphereFaceLoss", {"margin": 3, "scale": 2}, ASoftmax(3, 2.0), 2.0, features_length),
    ("LargeMarginSoftmaxLoss", {"margin": 2}, LSoftmax(2, 1.0), 1.0, both_lengths),
    ("NormalizedSoftmaxLoss", {"temperature": 0.1}, NormFace(10.0), 10.0, None),
]


@pytest.mark.parametrize(
    ("loss", "settings", "margin", "scale", "length"),
    PML,
    ids=lambda value: getattr(value, "__name__", str(value)[:30]),
)
def test_pytorch_metric_learning(loss, settings, margin, scale, length):
    state = {"W": matrix(D, K)}
    head = from_pytorch_metric_learning(state, loss, **settings)
    assert head.margin == margin
    assert head.weight.shape == (K, D)
    bend = {
        "ArcFaceLoss": lambda: arc(margin.margin, lambda c: c - margin.margin * math.sin(margin.margin)),
        "CosFaceLoss": lambda: lambda theta: np.cos(theta) - 0.2,
        "NormalizedSoftmaxLoss": lambda: np.cos,
    }.get(loss, lambda: psi(margin.margin))()
    check(head, bend, state["W"].numpy().T, scale=scale, length=length or (lambda x, w: 1.0))
    assert compare(head, formulas.pytorch_metric_learning(state, loss, **settings)).same(1e-11)


def test_a_margin_of_half_a_degree_is_asked_about():
    with pytest.warns(UserWarning, match=r"margin is 0.5 degrees \(0.0087 radians\), as ArcFaceLoss counts it"):
        head = from_pytorch_metric_learning({"W": matrix(D, K)}, margin=0.5)
    assert instance_of(ArcFace, head.margin).margin == math.radians(0.5)


@pytest.mark.parametrize("name", ["weight", "loss_func.weight"])
@pytest.mark.parametrize("shape", [(K, D), (D, K), (D, D)])
def test_a_weight_without_a_w_is_of_another_version_and_not_guessed_at(name, shape):
    with pytest.raises(WeightsError, match=r"version 3 weight \(K, D\) and radians, which are not read") as caught:
        from_pytorch_metric_learning({name: matrix(*shape)}, margin=0.5)
    assert "transpose" not in str(caught.value)
    assert "pass {" not in str(caught.value)


def test_a_w_of_other_classes_is_refused():
    assert from_pytorch_metric_learning({"W": matrix(D, K)}, "CosFaceLoss", num_classes=K).num_classes == K
    centers = {"W": matrix(D, 3 * 4)}
    assert from_pytorch_metric_learning(centers, "SubCenterArcFaceLoss", sub_centers=4, num_classes=3).num_classes == 3
    with pytest.raises(WeightsError, match=r"3 classes of 1 centers need \(D, 3\): is it of these .* not transposed"):
        from_pytorch_metric_learning({"W": matrix(3, D)}, "CosFaceLoss", num_classes=3)


def test_a_margin_that_is_no_angle_in_degrees_is_refused():
    with pytest.raises(ValueError, match=r"margin is 1638.0 degrees, as ArcFaceLoss counts it, expected 0 to 180"):
        from_pytorch_metric_learning({"W": matrix(D, K)}, margin=1638.0)


def test_centers_of_a_class_stay_together():
    """W (D, K S) of SubCenterArcFaceLoss has the centers of class j in columns j S to (j + 1) S - 1."""
    state = {"W": matrix(D, 3 * 4)}
    x = matrix(N, D, seed=1)
    logits = formulas.pytorch_metric_learning(state, "SubCenterArcFaceLoss", sub_centers=4, scale=1).logits(x)
    for j in range(3):
        nearest = cosines(x.numpy(), state["W"][:, 4 * j : 4 * (j + 1)].numpy().T).max(axis=1)
        np.testing.assert_allclose(logits[:, j].numpy(), nearest, rtol=1e-12)


@pytest.mark.parametrize("centers", [2, 3])
def test_nearest_of_several_centers(centers):
    state = {"W": matrix(D, K * centers)}
    head = from_pytorch_metric_learning(state, "SubCenterArcFaceLoss", sub_centers=centers, scale=16)
    assert head.num_classes == K
    m = math.radians(28.6)
    bend = arc(m, lambda c: c - m * math.sin(m))
    check(head, bend, state["W"].numpy().T, scale=16.0, centers=centers)
    settings = {"sub_centers": centers, "scale": 16}
    reference = formulas.pytorch_metric_learning(state, "SubCenterArcFaceLoss", **settings)
    assert compare(head, reference).same(1e-11)
    speakers = {"projection.weight": state["W"].T}
    speakers_head = from_wespeaker(speakers, "arc_margin_intertopk_subcenter", sub_centers=centers, num_classes=9)
    assert speakers_head.weight.shape == (9 * centers, D)
    kept = {"sub_centers": centers, "num_classes": 9}
    reference = formulas.wespeaker(speakers, "arc_margin_intertopk_subcenter", **kept)
    assert compare(speakers_head, reference).same(1e-11)


@pytest.mark.parametrize("sizes", [(23,), (12, 11), (8, 8, 7)], ids=str)
@pytest.mark.parametrize("prefix", ["", "state_dict_softmax_fc."])
def test_insightface_joins_the_shards_in_order(sizes, prefix):
    whole = matrix(K, D)
    shards = [{f"{prefix}weight": part, "epoch": torch.tensor(1)} for part in whole.split(sizes)]
    head = from_insightface(shards, m2=0.4, scale=32, num_classes=K)
    assert torch.equal(head.weight.detach(), whole)
    check(head, lambda theta: np.cos(theta + 0.4), whole.numpy(), scale=32.0)
    assert compare(head, formulas.insightface(shards, m2=0.4, scale=32)).same(1e-11)


def test_insightface_drops_m2_where_m3_is_above_0():
    shards = [{"weight": matrix(K, D)}]
    with pytest.warns(
        UserWarning, match=r"m2=0.3 had no part in that training.*CombinedMargin\(m1=1.0, m2=0.3, m3=0.2"
    ):
        head = from_insightface(shards, m2=0.3, m3=0.2)
    assert head.margin == CosFace(0.2, 64.0)
    check(head, lambda theta: np.cos(theta) - 0.2, shards[0]["weight"].numpy(), scale=64.0)
    assert compare(head, formulas.insightface(shards, m2=0.3, m3=0.2)).same(1e-11)


def test_insightface_keeps_a_backward_without_the_slope_of_the_margin():
    head = from_insightface([{"weight": torch.eye(2, dtype=torch.float64)}], m2=0.5, scale=1.0)
    theta = torch.tensor(1.0, dtype=torch.float64, requires_grad=True)
    x = torch.stack([theta.cos(), theta.sin()])[None]
    head(x, torch.tensor([0])).backward()
    t, o = math.cos(1.5), math.sin(1.0)
    p = math.exp(t) / (math.exp(t) + math.exp(o))
    assert grad_of(theta).item() == pytest.approx((1 - p) * math.sin(1.0) + (1 - p) * math.cos(1.0), rel=1e-12)


@pytest.mark.parametrize("name", ["weight", "criterion.weight", "state_dict.criterion.weight", "arcface.weight"])
def test_oml(name):
    state = {name: matrix(K, D), "backbone.0.weight": matrix(3, 3), "mlp.0.weight": matrix(2, 2)}
    head = from_oml(state, m=0.3, s=16)
    check(head, arc(0.3, lambda c: c - 0.3 * math.sin(0.3)), state[name].numpy(), scale=16.0)
    assert compare(head, formulas.oml(state, m=0.3, s=16)).same(1e-11)


def test_wespeaker_projections():
    state = {"speaker.layer1.weight": matrix(2, 2), "projection.weight": matrix(3 * K, D)}
    first = state["projection.weight"][:K].numpy()
    head = from_wespeaker(state, "add_margin", num_classes=K)
    check(head, lambda theta: np.cos(theta) - 0.2, first, scale=32.0)
    head = from_wespeaker(state, easy_margin=True, margin=0.5, num_classes=K)
    check(head, lambda theta: np.where(theta < np.pi / 2, np.cos(theta + 0.5), np.cos(theta)), first, scale=32.0)
    assert compare(head, formulas.wespeaker(state, easy_margin=True, margin=0.5, num_classes=K)).same(1e-11)


@pytest.mark.parametrize("margin", [0.2, 0.5])
def test_wespeaker_goes_on_differently_past_pi_less_the_margin_and_the_report_says_so(margin):
    state = {"projection.weight": matrix(K, D)}
    reference = formulas.wespeaker(state, margin=margin, scale=1.0)
    agreement = compare(from_wespeaker(state, margin=margin, scale=1.0), reference, rows=4000)
    assert agreement.same(1e-11)
    assert agreement.rows_beyond > 0
    bound = 2 * math.cos(margin / 2) * (1 - math.cos(margin / 2))
    assert 0.9 * bound < agreement.losses_beyond < bound  # all others stay: a loss moves as its target does, or less
    assert f"past {180 - math.degrees(margin):.1f} degrees from the own class" in str(agreement)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32, torch.float64])
def test_a_weight_in_half_precision_becomes_a_float32_master(dtype):
    state = {"W": matrix(D, K).to(dtype)}
    head = from_pytorch_metric_learning(state)
    assert head.weight.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
    assert torch.equal(head.weight.detach().double(), state["W"].double().T)
    assert compare(head, formulas.pytorch_metric_learning(state)).same()


def test_a_zero_row_and_a_single_class():
    state = {"weight": torch.zeros(1, D)}
    assert compare(from_oml(state), formulas.oml(state)).losses == 0


def test_a_wrong_head_is_told_apart():
    state = {"W": matrix(D, K)}
    head = from_pytorch_metric_learning(state)
    head.margin = ArcFace(0.5, 64.0)
    agreement = compare(head, formulas.pytorch_metric_learning(state))
    assert not agreement.same()
    assert agreement.logits < 1e-12
    assert agreement.losses > 1e-3
    assert "ArcFaceLoss(margin=28.6 degrees, scale=64), 64 random features" in str(agreement)


def test_comparing_leaves_the_head_as_it_was():
    state = {"weight": matrix(K, D)}
    head = from_oml(state)
    head.train()
    compare(head, formulas.oml(state))
    assert head.training
    assert head.weight.grad is None
    assert compare(head, formulas.oml(state), seed=1) == compare(head, formulas.oml(state), seed=1)


def test_comparing_with_another_number_of_classes_is_refused():
    head = from_oml({"weight": matrix(K, D)})
    other = Reference("other", lambda x: x.new_zeros(len(x), 3), lambda x, y: x.sum(dim=1))
    with pytest.raises(ValueError, match=r"the head's logits are \(64, 23\), those of other \(64, 3\)"):
        compare(head, other)


W = matrix(D, K)
SPOILT = W.clone()
SPOILT[2, 3] = math.nan
WRONG = [
    (
        lambda: from_pytorch_metric_learning({"W": W}, "ArcFace"),  # type: ignore[arg-type]
        ValueError,
        r"loss is 'ArcFace', expected one of ArcFa",
    ),
    (
        lambda: from_pytorch_metric_learning({"W": W}, "SphereFaceLoss", margin=2.7),
        ValueError,
        r"truncates it to 2: pass",
    ),
    (lambda: from_pytorch_metric_learning({"W": W}, temperature=0.1), ValueError, r"temperature is 0.1, but ArcFace"),
    (
        lambda: from_pytorch_metric_learning({"W": W}, sub_centers=2),
        ValueError,
        r"ArcFaceLoss has one center per class",
    ),
    (
        lambda: from_pytorch_metric_learning({"W": W}, "NormalizedSoftmaxLoss", scale=2),
        ValueError,
        r"has a temperature",
    ),
    (lambda: from_pytorch_metric_learning({"W": W}, "SubCenterArcFaceLoss", sub_centers=2), ValueError, r"23 rows"),
    (
        lambda: from_pytorch_metric_learning({"w": W}),
        WeightsError,
        r"found 0 tensors named W, expected one; there are w",
    ),
    (
        lambda: from_pytorch_metric_learning({"a.W": W, "b.W": W}),
        WeightsError,
        r"found 2 tensors.*a.W, b.W: pass \{'W'",
    ),
    (lambda: from_pytorch_metric_learning({"W": W[0]}), WeightsError, r"W is torch.float64 of shape \(23,\), expected"),
    (lambda: from_pytorch_metric_learning({"W": W.long()}), WeightsError, r"W is torch.int64.*expected a matrix"),
    (lambda: from_pytorch_metric_learning({"W": SPOILT}), WeightsError, r"W\[2, 3\] is nan: these weights contain non"),
    (lambda: from_insightface([]), WeightsError, r"there are no shards: pass the state of every rank"),
    (lambda: from_insightface([{"weight": W}], m1=1.35), ValueError, r"m1, m2, m3 are 1.35, 0.5, 0.0: CombinedMargin"),
    (
        lambda: from_insightface([{"weight": W}], num_classes=6),
        WeightsError,
        r"shards have 5 classes together, but num",
    ),
    (lambda: from_insightface([{"weight": W[:2]}, {"weight": W[2:]}]), WeightsError, r"have 2, 3 classes, but.*3, 2"),
    (lambda: from_insightface([{"weight": W}, {"weight": W.T}]), WeightsError, r"shards have 23, 5 dims"),
    (lambda: from_wespeaker({"projection.weight": W}, "sphere"), ValueError, r"project_type is 'sphere', expected one"),  # type: ignore[arg-type]
    (
        lambda: from_wespeaker({"projection.weight": W}, sub_centers=2),
        ValueError,
        r"arc_margin has one center per class",
    ),
    (
        lambda: from_wespeaker({"projection.weight": W}, "add_margin", easy_margin=True),
        ValueError,
        r"add_margin has none",
    ),
    (
        lambda: from_wespeaker({"projection.weight": W}, num_classes=6),
        WeightsError,
        r"num_classes is 6, but there are 5",
    ),
    (lambda: compare(from_oml({"weight": W}), formulas.oml({"weight": W}), rows=0), ValueError, r"rows is 0, expected"),
]


@pytest.mark.parametrize(("call", "kind", "text"), WRONG, ids=[text for _, _, text in WRONG])
def test_errors_say_what_is_wrong(call, kind, text):
    with pytest.raises(kind, match=text):
        call()
