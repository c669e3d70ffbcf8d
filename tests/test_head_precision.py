"""Casting a head: parameters are cast, running statistics and class weights keep their precision."""

import pytest
import torch

from cones import VPL, AdaFace, ArcFace, CenterLoss, CurricularFace, Head
from tests.narrowing import not_none

CASTS = {
    "to": lambda module: module.to(torch.bfloat16),
    "half": lambda module: module.half(),
    "bfloat16": lambda module: module.bfloat16(),
    "double": lambda module: module.double(),
    "inside": lambda module: torch.nn.Sequential(module).to(torch.bfloat16)[0],
    "to and back": lambda module: module.half().float(),
}


@pytest.mark.parametrize("cast", CASTS.values(), ids=CASTS)
def test_running_numbers_and_class_weights_stay_float32(cast):
    head = Head(4, 3, AdaFace(), class_weights=torch.tensor([1.001, 2.0, 3.0]))
    head.get_buffer("running_mean").fill_(20.001)
    cast(head)
    assert head.get_buffer("running_mean").dtype == not_none(head.class_weights).dtype == torch.float32
    assert head.get_buffer("running_mean").item() == pytest.approx(20.001, abs=1e-5)
    assert not_none(head.class_weights)[0].item() == pytest.approx(1.001, abs=1e-6)


def test_weight_follows_the_cast():
    assert Head(4, 3, AdaFace()).to(torch.bfloat16).weight.dtype == torch.bfloat16


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_the_mean_of_norms_is_right_after_a_cast(dtype):
    head = Head(4, 3, AdaFace(momentum=0.01)).to(dtype)
    x = torch.nn.functional.normalize(torch.randn(2, 4, dtype=torch.float64)) * 3.75
    for _ in range(200):
        head(x.to(dtype), torch.arange(2))
    expected = 3.75 + (20 - 3.75) * 0.99**200
    assert head.get_buffer("running_mean").item() == pytest.approx(expected, rel=5e-3)


def test_a_head_from_the_meta_device_keeps_the_precision():
    head = Head(4, 3, CurricularFace(), device="meta").to(torch.bfloat16).to_empty(device="cpu")
    head.reset_parameters()
    assert head.weight.dtype == torch.bfloat16
    assert head.running_t.dtype == torch.float32


def test_centers_stay_float32_at_least():
    x, y = torch.tensor([[1.0, 2.0]]), torch.tensor([1])
    loss = CenterLoss(2, 2).to(torch.bfloat16)
    for _ in range(400):
        loss.update(x.bfloat16(), y)
    assert loss.centers.dtype == torch.float32
    torch.testing.assert_close(loss.centers[1], x[0])
    assert CenterLoss(2, 2).double().centers.dtype == torch.float64
    assert CenterLoss(2, 2).double().float().centers.dtype == torch.float32


def test_running_numbers_of_vpl_stay_float32():
    loss = VPL(3, 4, margin=AdaFace()).half()
    assert loss.running_mean.dtype == torch.float32
    assert loss.memory.dtype == torch.float16


def test_a_default_of_half_precision_does_not_reach_averages():
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.bfloat16)
    try:
        assert CenterLoss(2, 2).centers.dtype == torch.float32
        assert VPL(3, 4, margin=AdaFace()).running_mean.dtype == torch.float32
        assert Head(4, 3, AdaFace()).running_mean.dtype == torch.float32
        assert Head(4, 3, ArcFace()).weight.dtype == torch.bfloat16
    finally:
        torch.set_default_dtype(before)
