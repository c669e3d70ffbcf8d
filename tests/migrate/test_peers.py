"""Heads against pytorch-metric-learning itself."""

import pytest
import torch
from pytorch_metric_learning import losses, reducers

from cones.migrate import Reference, compare, formulas, from_pytorch_metric_learning

SETTINGS = [
    ("ArcFaceLoss", {"margin": 28.6, "scale": 64}),
    ("CosFaceLoss", {"margin": 0.35, "scale": 64}),
    ("SphereFaceLoss", {"margin": 4, "scale": 1}),
    ("LargeMarginSoftmaxLoss", {"margin": 3, "scale": 1}),
    ("NormalizedSoftmaxLoss", {"temperature": 0.05}),
]


def itself(name, **settings):
    """That library's own loss, in float64, and a reference made of it."""
    torch.manual_seed(0)
    peer = getattr(losses, name)(num_classes=23, embedding_size=5, reducer=reducers.DoNothingReducer(), **settings)
    peer.double()
    return peer.state_dict(), Reference(name, peer.get_logits, lambda x, y: peer(x, y)["loss"]["losses"])


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # its own use of NumPy
@pytest.mark.parametrize(("name", "settings"), SETTINGS, ids=[name for name, _ in SETTINGS])
def test_a_head_computes_what_pytorch_metric_learning_does(name, settings):
    state, reference = itself(name, **settings)
    assert compare(from_pytorch_metric_learning(state, name, **settings), reference).same(1e-11)


def test_the_formula_of_several_centers_is_what_pytorch_metric_learning_computes():
    state, reference = itself("SubCenterArcFaceLoss", sub_centers=3)
    formula = formulas.pytorch_metric_learning(state, "SubCenterArcFaceLoss")
    x, y = torch.randn(40, 5, dtype=torch.float64), torch.arange(40) % 23
    torch.testing.assert_close(formula.logits(x), reference.logits(x), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(formula.losses(x, y), reference.losses(x, y), rtol=1e-12, atol=1e-12)
