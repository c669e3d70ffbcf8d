"""Margins that modify the non-target or the target logit: worked examples, running statistics, gradients, errors."""

import copy
import math

import numpy as np
import pytest
import torch

import cones
from cones import Head, margin_softmax
from tests.engine.contract import rows_at
from tests.narrowing import grad_of, not_none

DEGREE = math.pi / 180


def loss_at(margin, cosines):
    """The loss of one feature of class 0 at these cosines to the classes."""
    c = torch.tensor(cosines, dtype=torch.float64)
    w = torch.cat([c[:, None], torch.diag((1 - c**2).sqrt())], dim=1)
    x = torch.zeros(1, len(c) + 1, dtype=torch.float64)
    x[0, 0] = 3.0
    return margin_softmax(x, w, torch.tensor([0]), margin).item()


def loss_of(target, others):
    """The loss of a row with these logits."""
    return math.log(sum(math.exp(logit - target) for logit in [target, *others]))


def target_at(margin, *degrees):
    cosine = torch.tensor(degrees, dtype=torch.float64).mul(DEGREE).cos()
    return margin.target(cosine, rows_at(cosine, margin))


def close(one, other):
    torch.testing.assert_close(one, torch.tensor(other, dtype=one.dtype), rtol=1e-12, atol=1e-12)


def test_spherefacer_psi_with_half_a_margin_more():
    """At 60, 120 and 180 degrees m theta is 90, 180 and 270."""
    close(target_at(cones.SphereFaceR(margin=1.5, scale=2.0), 0, 60, 120, 180), [2.0, 0.0, -2.0, -4.0])


def test_spherefacer_version_1_stops_at_pi():
    close(target_at(cones.SphereFaceR(margin=1.5, scale=2.0, version=1), 0, 60, 120, 150), [2.0, 0.0, -2.0, -2.0])
    cosine = torch.tensor([-0.9, 0.9], dtype=torch.float64, requires_grad=True)
    margin = cones.SphereFaceR(margin=1.5, version=1)
    margin.target(cosine, rows_at(cosine, margin)).sum().backward()
    assert grad_of(cosine)[0] == 0
    assert grad_of(cosine)[1] > 0


def test_spherefacer_version_2_shrinks_the_other_angles():
    """Another class at a right angle counts as one at 60 degrees."""
    margin = cones.SphereFaceR(margin=1.5, scale=2.0, version=2)
    assert loss_at(margin, [0.6, 0.0]) == pytest.approx(loss_of(2 * 0.6, [2 * 0.5]), abs=1e-12)


def test_spherefacer_bends_the_other_classes_in_version_2_alone():
    """Elsewhere it takes the faster way, on which W may move in the backward."""
    for version in (0, 1, 2):
        head = Head(4, 9, cones.SphereFaceR(version=version))
        cones.ClassSGD(head, lr=0.1)
        if version == 2:
            with pytest.raises(ValueError, match=r"SphereFaceR modifies the non-target logits"):
                head(torch.randn(3, 4), torch.arange(3))
        else:
            before = head.weight.clone()
            head(torch.randn(3, 4), torch.arange(3)).backward()
            assert not torch.equal(head.weight, before)


@pytest.mark.parametrize("margin", [cones.SphereFaceR(version=v, straight_through=True) for v in (0, 1, 2)], ids=repr)
def test_spherefacer_straight_through_has_the_slope_of_the_scale(margin):
    cosine = torch.linspace(-1, 1, 9, dtype=torch.float64).requires_grad_()
    rows = rows_at(cosine, margin)
    (margin.target(cosine, rows).sum() + margin.others(cosine[:, None], cosine, rows).sum()).backward()
    assert (cosine.grad == 2 * margin.scale).all()


def test_x2softmax_is_a_parabola_in_the_angle():
    margin = cones.X2Softmax(scale=2.0)
    close(target_at(margin, 0, 1 / DEGREE, 180), [2 * 0.65, 2 * -0.25, 2 * (0.65 - 0.9 * math.pi**2)])
    close(target_at(cones.X2Softmax(scale=2.0, a=-0.5, h=-1.0, k=1.0), 0, 1 / DEGREE), [1.0, -2.0])


def test_mvsoftmax_where_the_other_class_is_taken_for_the_own():
    """cos 0.5 - 0.35 is below 0.4, which becomes 0.4 + 0.2 (1 + 0.4)."""
    own = 2 * 0.15
    assert loss_at(cones.MVSoftmax(scale=2.0), [0.5, 0.4, 0.1]) == pytest.approx(loss_of(own, [1.36, 0.2]), abs=1e-12)
    fixed = cones.MVSoftmax(scale=2.0, adaptive=False)
    assert loss_at(fixed, [0.5, 0.4, 0.1]) == pytest.approx(loss_of(own, [1.2, 0.2]), abs=1e-12)


def test_mvsoftmax_easy_margin_still_holds_classes_against_the_margin():
    """The own logit is plain below cosine 0, but -0.3 is above -0.1 - 0.35."""
    easy, strict = cones.MVSoftmax(scale=2.0), cones.MVSoftmax(scale=2.0, easy=False)
    assert loss_at(easy, [-0.1, -0.3]) == pytest.approx(loss_of(2 * -0.1, [2 * (-0.3 + 0.2 * 0.7)]), abs=1e-12)
    assert loss_at(strict, [-0.1, -0.3]) == pytest.approx(loss_of(2 * -0.45, [2 * (-0.3 + 0.2 * 0.7)]), abs=1e-12)


def test_mvsoftmax_with_an_angular_margin():
    """60 degrees and 30 more: every class at a positive cosine is taken for the own."""
    margin = cones.MVSoftmax(margin=30 * DEGREE, scale=2.0, kind="arc")
    expected = loss_of(0.0, [2 * (0.1 + 0.2 * 1.1), 2 * -0.1])
    assert loss_at(margin, [0.5, 0.1, -0.1]) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("t", [0.0, 0.3, 0.9])
def test_curricularface_weighs_hard_classes_by_the_running_number(t):
    margin = cones.CurricularFace(margin=30 * DEGREE, scale=2.0)
    c = torch.tensor([[0.2, -0.2]], dtype=torch.float64)
    own = torch.tensor([0.5], dtype=torch.float64)
    rows = rows_at(own, margin)._replace(statistics={"t": torch.tensor(t, dtype=torch.float64)})
    close(margin.target(own, rows), [0.0])
    close(margin.others(c, margin.target(own, rows), rows), [[2 * 0.2 * (t + 0.2), -0.4]])


def test_curricularface_running_number_is_the_mean_of_batches():
    head = Head(4, 9, cones.CurricularFace(momentum=0.1), dtype=torch.float64)
    generator = torch.Generator().manual_seed(0)
    w, expected = head.weight.detach().numpy(), 0.0
    for n in (5, 1, 0, 3):
        x = torch.randn(n, 4, generator=generator, dtype=torch.float64)
        y = torch.randint(9, (n,), generator=generator)
        before = head.statistics()["t"]
        losses = head(x, y, reduction="none")
        if n:
            a, b = x.numpy(), w[y.numpy()]
            own = (a * b).sum(axis=1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
            expected = 0.1 * own.mean() + 0.9 * expected
        assert head.statistics()["t"].item() == pytest.approx(expected, abs=1e-6)
        # the batch's own loss knows the new number already
        statistics = head.statistics()
        again = margin_softmax(x, head.weight, y, head.margin, statistics=statistics)
        torch.testing.assert_close(losses, again, rtol=0, atol=0)
        assert n == 0 or before != statistics["t"]


def test_curricularface_running_number_is_saved_resumed_and_rests_outside_training():
    head, x, y = Head(4, 9, cones.CurricularFace()), torch.randn(5, 4), torch.arange(5)
    head(x, y)
    other = Head(4, 9, cones.CurricularFace())
    assert other.state_dict()["running_t"] == 0
    other.load_state_dict(copy.deepcopy(head.state_dict()))
    assert other.statistics() == head.statistics()
    torch.testing.assert_close(other.eval()(x, y), head.eval()(x, y), rtol=0, atol=0)
    assert other.statistics() == head.statistics()
    head.reset_parameters()
    assert head.statistics()["t"] == 0


def test_circle_loss_pushes_by_the_distance_to_the_optimum():
    """Own cosine 0.5: factor 0.75 of -0.25; another of 0.3: factor 0.55 of 0.05; one below -m: nothing."""
    margin = cones.CircleLoss(margin=0.25, scale=2.0)
    expected = loss_of(2 * 0.75 * -0.25, [2 * 0.55 * 0.05, 0.0])
    assert loss_at(margin, [0.5, 0.3, -0.6]) == pytest.approx(expected, abs=1e-12)


def test_circle_loss_holds_its_factors_fixed():
    margin = cones.CircleLoss(margin=0.25, scale=2.0)
    own, other = (torch.tensor([c], dtype=torch.float64, requires_grad=True) for c in (0.5, 0.3))
    rows = rows_at(own, margin)
    margin.target(own, rows).backward()
    margin.others(other[:, None], own, rows).backward()
    close(own.grad, [2 * 0.75])
    close(other.grad, [2 * 0.55])


def test_arcnegface_weighs_most_what_is_as_near_as_the_own_class():
    """The own cosine with its margin is 0: w is 1.2 there and 1.2 exp(-0.08) at 0.4."""
    margin = cones.ArcNegFace(margin=30 * DEGREE, scale=2.0)
    expected = loss_of(0.0, [2 * 0.2, 2 * (1.2 * math.exp(-0.08) * 1.4 - 1)])
    assert loss_at(margin, [0.5, 0.0, 0.4]) == pytest.approx(expected, abs=1e-12)


def test_arcnegface_detached_weights_are_constants():
    own, other = (torch.tensor([c], dtype=torch.float64, requires_grad=True) for c in (0.5, 0.4))
    margin = cones.ArcNegFace(margin=30 * DEGREE, scale=2.0, detach=True)
    margin.others(other[:, None], own, rows_at(own, margin)).backward()
    assert own.grad is None
    close(other.grad, [2 * 1.2 * math.exp(-0.08)])


def test_npcface_margin_grows_with_the_hard_classes():
    """60 degrees and 30 more: 0.2 and 0.4 are hard, their mean is 0.3."""
    margin = cones.NPCFace(margin=30 * DEGREE, scale=2.0)
    own = 2 * math.cos(math.pi / 3 + 0.4 + 0.2 * 0.3)
    expected = loss_of(own, [2 * (1.1 * 0.2 + 0.2), 2 * (1.1 * 0.4 + 0.2), 2 * -0.5])
    assert loss_at(margin, [0.5, 0.2, 0.4, -0.5]) == pytest.approx(expected, abs=1e-12)


def test_npcface_without_hard_classes_has_the_smallest_margin():
    margin = cones.NPCFace(margin=30 * DEGREE, scale=2.0)
    assert loss_at(margin, [0.5, -0.5]) == pytest.approx(loss_of(2 * math.cos(math.pi / 3 + 0.4), [-1.0]), abs=1e-12)
    assert loss_at(margin, [0.5]) == 0


def test_lmsoftmax_of_two_classes_is_the_difference_of_cosines():
    assert loss_at(cones.LMSoftmax(scale=7.0), [0.3, 0.5]) == pytest.approx(0.2, abs=1e-12)
    assert loss_at(cones.LMSoftmax(scale=7.0), [1.0, -1.0]) == pytest.approx(-2.0, abs=1e-12)


def test_lmsoftmax_of_many_classes_has_the_bound_of_its_docstring():
    for scale, k in ((7.0, 5), (64.0, 100)):
        loss = loss_at(cones.LMSoftmax(scale=scale), [1.0] + [-1.0] * (k - 1))
        assert loss == pytest.approx(-2 + math.log(k - 1) / scale, abs=1e-12)


def test_lmsoftmax_of_one_class_is_0_without_a_gradient():
    x = torch.randn(3, 4, requires_grad=True)
    w = torch.randn(1, 4, requires_grad=True)
    scale = torch.tensor(5.0, requires_grad=True)
    losses = margin_softmax(x, w, torch.zeros(3, dtype=torch.long), cones.LMSoftmax(scale=scale))
    losses.sum().backward()
    assert (losses == 0).all()
    assert all((grad_of(leaf) == 0).all() for leaf in (x, w, scale))


@pytest.mark.parametrize(
    "margin",
    [
        cones.SphereFaceR(version=2),
        cones.MVSoftmax(),
        cones.CurricularFace(),
        cones.CircleLoss(scale=8.0),
        cones.X2Softmax(),
        cones.ArcNegFace(),
        cones.NPCFace(),
        cones.LMSoftmax(),
    ],
    ids=lambda margin: type(margin).__name__,
)
def test_scale_can_be_learnt(margin):
    torch.manual_seed(0)
    head = Head(4, 9, margin, learn_scale=True, dtype=torch.float64)
    x, y = torch.randn(5, 4, dtype=torch.float64), torch.arange(5)
    head.eval()(x, y).backward()
    step = 1e-6
    ends = []
    for sign in (1, -1):
        with torch.no_grad():
            not_none(head.scale).add_(sign * step)
            ends.append(head(x, y).item())
            not_none(head.scale).sub_(sign * step)
    assert grad_of(head.scale).item() == pytest.approx((ends[0] - ends[1]) / (2 * step), rel=1e-5, abs=1e-8)


@pytest.mark.parametrize(
    ("build", "text"),
    [
        (lambda: cones.SphereFaceR(margin=0.5), r"SphereFaceR: margin is 0.5, expected a number of at least 1"),
        (lambda: cones.SphereFaceR(version=3), r"SphereFaceR: version is 3, expected 0, 1 or 2"),  # type: ignore[arg-type]
        (lambda: cones.MVSoftmax(kind="sphere"), r"MVSoftmax: kind is 'sphere', expected 'am' or 'arc'"),  # type: ignore[arg-type]
        (lambda: cones.MVSoftmax(t=-0.1), r"MVSoftmax: t is -0.1, expected a finite number of at least 0"),
        (lambda: cones.CurricularFace(momentum=1.5), r"CurricularFace: momentum is 1.5, expected a number in \[0, 1\]"),
        (lambda: cones.CircleLoss(margin=-1.0), r"CircleLoss: margin is -1.0, expected a finite number of at least 0"),
        (lambda: cones.X2Softmax(a=0.5), r"X2Softmax: a is 0.5, expected a number below 0: above, t would rise"),
        (lambda: cones.X2Softmax(k=math.inf), r"X2Softmax: k is inf, expected a finite number"),
        (lambda: cones.X2Softmax(h="0"), r"X2Softmax: h is '0', expected a finite number"),  # type: ignore[arg-type]
        (lambda: cones.ArcNegFace(sigma=0.0), r"ArcNegFace: sigma is 0.0, expected a finite number above 0"),
        (lambda: cones.NPCFace(m1=-0.2), r"NPCFace: m1 is -0.2, expected a finite number of at least 0"),
        (lambda: cones.NPCFace(a=math.nan), r"NPCFace: a is nan, expected a finite number"),
        (lambda: cones.LMSoftmax(scale=0.0), r"LMSoftmax: scale is 0.0, expected a finite number above 0"),
    ],
)
def test_errors_name_the_field(build, text):
    with pytest.raises(ValueError, match=text):
        build()
