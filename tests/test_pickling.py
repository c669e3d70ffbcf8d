"""Losses in files: saved by public name, loaded by torch.load's default; whole heads copied and pickled."""

import copy
import io
import pickle
import pickletools
from dataclasses import is_dataclass

import pytest
import torch

import cones
from cones import ArcFace, CosFace, Head, feature_losses
from tests.losses import EVERY_MARGIN
from tests.narrowing import not_none

PLAIN = [
    *EVERY_MARGIN,
    *(getattr(cones, name)() for name in feature_losses.__all__ if is_dataclass(getattr(cones, name))),
    CosFace(margin=(0.1, 0.2), scale=16.0),
]


def through_file(value, weights_only):
    file = io.BytesIO()
    torch.save({"hyper_parameters": {"loss": value}}, file)
    file.seek(0)
    return torch.load(file, weights_only=weights_only)["hyper_parameters"]["loss"]


@pytest.mark.parametrize("loss", PLAIN, ids=repr)
def test_plain_losses_are_read_with_weights_only(loss):
    read = through_file(loss, weights_only=True)
    assert type(read) is type(loss)
    assert repr(read) == repr(loss)


def test_a_margin_with_a_tensor_is_read_with_weights_only():
    read = through_file(CosFace(margin=torch.tensor([0.1, 0.25])), weights_only=True)
    assert read.margin.tolist() == [pytest.approx(0.1), 0.25]


@pytest.mark.parametrize("loss", PLAIN, ids=repr)
def test_plain_losses_are_pickled_by_their_public_name(loss):
    written = pickletools.genops(pickle.dumps(loss, protocol=2))
    modules = {not_none(argument).split(" ")[0] for code, argument, _ in written if code.name == "GLOBAL"}
    assert modules <= {"cones", "copyreg"}
    assert repr(pickle.loads(pickle.dumps(loss))) == repr(loss)
    assert repr(copy.deepcopy(loss)) == repr(loss)


def test_every_public_class_is_where_it_says():
    for name in cones.__all__:
        kind = getattr(cones, name)
        if isinstance(kind, type):
            assert (kind.__module__, kind.__qualname__) == ("cones", name)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda head: through_file(head, weights_only=False)])
def test_a_whole_head_is_copied(copied):
    head = Head(5, 23, ArcFace(0.2, 8.0), bias=True, class_weights=torch.ones(23))
    twin = copied(head)
    x, y = torch.randn(7, 5), torch.arange(7)
    assert torch.equal(twin(x, y), head(x, y))
    assert twin.weight is not head.weight


def test_a_margin_of_ones_own_keeps_its_module():
    class Mine(CosFace):
        pass

    assert Mine.__module__ == __name__
