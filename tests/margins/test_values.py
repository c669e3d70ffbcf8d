"""Margins are values: equal by their fields, tensors among them; lists of a configuration are tuples."""

import copy
import inspect

import pytest
import torch

import cones
from cones import LDAM, ArcFace, CombinedMargin, CosFace, Head, LogitAdjusted, Softmax
from cones.margins import parse, written
from tests.losses import EVERY_MARGIN


@pytest.mark.parametrize("margin", EVERY_MARGIN, ids=lambda margin: type(margin).__name__)
def test_equal_margins_are_equal_and_hash_alike(margin):
    same = copy.copy(margin)
    assert same == margin
    assert hash(same) == hash(margin)
    assert margin != Softmax(scale=123.0)
    assert margin != repr(margin)
    equality = inspect.getattr_static(type(margin), "__eq__")
    assert equality is cones.Margin.__eq__, "a dataclass of its own equality cannot hold tensors"


def test_tensors_are_compared_by_their_numbers():
    one, same, other = (CosFace(margin=torch.tensor(numbers)) for numbers in ([0.1, 0.2], [0.1, 0.2], [0.1, 0.3]))
    assert (one == same) is True
    assert (one == other) is False
    assert (one != other) is True
    assert hash(one) == hash(same)
    assert len({one, same, other}) == 2
    assert CosFace(margin=torch.tensor([0.1, 0.2, 0.3])) != one
    assert CosFace(margin=torch.tensor([0.1, 0.2], dtype=torch.float64)) != one
    assert CosFace(margin=(0.1, 0.2)) != one
    assert CosFace(scale=torch.tensor(8.0)) != CosFace(scale=8.0)
    learnt = torch.tensor([0.1, 0.2], requires_grad=True)
    before = hash(CosFace(margin=learnt))
    assert CosFace(margin=learnt) == one
    with torch.no_grad():
        learnt += 1
    assert hash(CosFace(margin=learnt)) == before


@pytest.mark.parametrize(
    ("of_list", "of_tuple"),
    [
        (CosFace(margin=[0.1, 0.2]), CosFace(margin=(0.1, 0.2))),  # type: ignore[arg-type]
        (ArcFace(margin=[0.1, 0.2]), ArcFace(margin=(0.1, 0.2))),  # type: ignore[arg-type]
        (CombinedMargin(m2=[0.1, 0.2], m3=[0, 1]), CombinedMargin(m2=(0.1, 0.2), m3=(0, 1))),  # type: ignore[arg-type]
        (LDAM(counts=[3, 4]), LDAM(counts=(3, 4))),  # type: ignore[arg-type]
        (LogitAdjusted(counts=[3, 4]), LogitAdjusted(counts=(3, 4))),  # type: ignore[arg-type]
    ],
    ids=["CosFace", "ArcFace", "CombinedMargin", "LDAM", "LogitAdjusted"],
)
def test_lists_become_tuples(of_list, of_tuple):
    assert of_list == of_tuple
    assert hash(of_list) == hash(of_tuple)
    assert repr(of_list) == repr(of_tuple)
    assert parse(written(of_list)) == of_tuple


@pytest.mark.parametrize("text", ["arcface", "ArcFace(margin=0.3)", "CosFace(margin=[0.1, 0.2, 0.3, 0.4])"])
def test_a_head_takes_the_text_of_a_margin(text):
    assert Head(2, 4, text).margin == cones.parse(text)


def test_a_head_says_what_is_wrong_in_a_text():
    with pytest.raises(ValueError, match=r"'AM-Softmax' is not a loss \(did you mean CosFace\?\)"):
        Head(2, 4, "AM-Softmax")
