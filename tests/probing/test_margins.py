"""Probing of margins with known answers."""

import math
from dataclasses import dataclass

import pytest
import torch

import cones
from cones.catalogue import LONG_TAIL
from cones.probing.at_angles import MarginProbe
from cones.probing.margins import (
    NORMS,
    asks_for_rest,
    asks_yes_or_no,
    bends_others,
    depends_on_norm,
    draws_at_random,
    keeps_a_band,
    lead,
    other_logits,
    own_logits,
    probes,
)
from tests.artificial import Prior, Quality, Random, Running, Tail, YesOrNo
from tests.losses import Bending, Biased

THETA = torch.linspace(0, math.pi, 37, dtype=torch.float64)


@pytest.mark.parametrize(
    ("margin", "expected"),
    [
        (cones.Softmax(scale=3.0), torch.cos(THETA)),
        (cones.CosFace(margin=0.2), torch.cos(THETA) - 0.2),
        (cones.LSoftmax(margin=1), torch.cos(THETA)),
        (cones.L2Softmax(), torch.cos(THETA)),
        (Running(), torch.cos(THETA)),
        (Quality(), torch.cos(THETA) - 0.1),
    ],
    ids=repr,
)
def test_own_logits_of_known_margins(margin, expected):
    torch.testing.assert_close(own_logits(MarginProbe(margin), THETA.cos()), expected)


def test_a_random_margin_is_shown_by_its_mean_and_leaves_the_generator_alone():
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    logits = own_logits(MarginProbe(Random()), THETA.cos())
    assert torch.equal(torch.rand(1), expected)
    torch.testing.assert_close(logits, THETA.cos() - 0.3, atol=0.01, rtol=0)
    assert torch.equal(logits, own_logits(MarginProbe(Random()), THETA.cos()))


def test_a_row_is_right_where_the_papers_say():
    first, second = THETA[:, None], THETA
    ahead = lead(MarginProbe(cones.ArcFace(margin=0.5)), THETA.cos(), THETA.cos())
    assert torch.equal(ahead >= 0, first + 0.5 <= second)
    ahead = lead(MarginProbe(cones.CosFace(margin=0.35)), THETA.cos(), THETA.cos())
    assert torch.equal(ahead >= 0, first.cos() - second.cos() >= 0.35)
    ahead = lead(MarginProbe(cones.ASoftmax(margin=4)), THETA.cos(), THETA.cos())
    inside = first.squeeze() < math.pi / 4 - 1e-6  # where psi is cos(4 theta)
    assert torch.equal((ahead >= 1e-9)[inside], (4 * first < second - 1e-6).expand_as(ahead)[inside])


def test_one_against_all_asks_both_questions():
    ahead = lead(MarginProbe(YesOrNo()), THETA.cos(), THETA.cos())
    yes = 4 * (THETA.cos() - 0.25) - 1 >= 0
    no = 4 * (THETA.cos() + 0.25) - 1 <= 0
    assert torch.equal(ahead >= 0, yes[:, None] & no[None, :])


def test_what_is_no_yes_or_no_is_compared():
    """A loss that grows to both sides of 0 has no threshold there."""

    @dataclass(frozen=True)
    class Squares(YesOrNo):
        def class_loss(self, logits):
            return logits**2

    assert asks_yes_or_no(YesOrNo())
    assert not asks_yes_or_no(Squares())
    assert not asks_yes_or_no(cones.Softmax())
    ahead = lead(MarginProbe(Squares()), THETA.cos(), THETA.cos())
    torch.testing.assert_close(ahead, THETA.cos()[:, None] - THETA.cos() - 0.5)


def test_a_prior_moves_the_boundary_to_the_rare_class():
    cosine = THETA.cos()
    shift = math.log(LONG_TAIL[0] / LONG_TAIL[-1]) / 10  # features of norm 10
    first = lead(MarginProbe(Prior(), label=0), cosine, cosine, other=9)
    torch.testing.assert_close(first, cosine[:, None] - cosine + shift, rtol=0, atol=1e-6)
    last = lead(MarginProbe(Prior(), label=9), cosine, cosine, other=0)
    torch.testing.assert_close(last, cosine[:, None] - cosine - shift, rtol=0, atol=1e-6)


def test_bent_others_see_the_target():
    own, cosine = torch.tensor([0.5, -0.5]).double(), THETA.cos()
    rows = cones.Rows(own, torch.full((2,), 10.0).double(), torch.ones(2).double(), torch.zeros(2).long(), {})
    margin = Bending()
    expected = margin.others(cosine.expand(2, -1), margin.target(own, rows), rows) / 3.0
    torch.testing.assert_close(other_logits(MarginProbe(margin), own, cosine), expected)


def test_what_a_margin_depends_on():
    plain = cones.ArcFace()
    assert probes(plain) == [MarginProbe(plain)]
    assert probes(cones.LSoftmax()) == [MarginProbe(cones.LSoftmax())]
    assert [probe.feature_norm for probe in probes(Quality())] == list(NORMS)
    assert [probe.label for probe in probes(Tail())] == [probe.label for probe in probes(Prior())] == [0, 9]
    for ask, yes in (
        (bends_others, [Bending(), YesOrNo()]),
        (depends_on_norm, [Quality(), Bending()]),
        (draws_at_random, [Random()]),
        (asks_for_rest, [Running()]),
    ):
        for margin in (plain, cones.Softmax(), Bending(), Biased(), Tail(), Prior(), Quality(), Running(), Random()):
            assert ask(margin) == any(type(margin) is type(one) for one in yes), (ask.__name__, margin)
    assert keeps_a_band(plain)
    assert keeps_a_band(Tail())
    assert not keeps_a_band(cones.Softmax())
    assert not keeps_a_band(Running())
