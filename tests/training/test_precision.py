"""Precision "auto": its choice, where the choice is recorded, and that a run keeps it."""

import logging
import warnings
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
import torch
from torch import nn

from cones.engine import processor
from cones.engine.processor import Speeds
from cones.training import Run, TrainingError, _precision, compare, fit, read_run
from cones.training._precision import decided, heaviest_layer

CPU = torch.device("cpu")
FASTER, SLOWER = Speeds("convolutions", 3.0, 1.5), Speeds("convolutions", 0.5, 60.0)


@pytest.fixture
def processor_is(monkeypatch):
    """Make the processor one of the given speeds; returns the layers that it was asked about."""
    asked: list[tuple[Any, ...]] = []

    def become(speeds):
        def measured(name, *sizes, **_):
            asked.append((name, *sizes))
            return speeds

        for name in ("convolution_speeds", "product_speeds"):
            monkeypatch.setattr(_precision, name, partial(measured, name))
        return asked

    processor.warn_of.cache_clear()
    return become


@pytest.mark.parametrize(("speeds", "becomes"), [(FASTER, "bfloat16"), (SLOWER, "float32")])
def test_a_run_says_what_auto_became_and_keeps_it(small, tmp_path, processor_is, caplog, speeds, becomes):
    processor_is(speeds)
    run = replace(small, precision="auto", epochs=1)
    with caplog.at_level(logging.INFO, logger="cones"):
        list(fit(run, tmp_path / "auto"))
    assert f"precision auto is {becomes} here ({speeds})" in caplog.text
    assert read_run(tmp_path / "auto" / "config.toml").precision == becomes
    list(fit(replace(run, precision=becomes), tmp_path / "plain"))
    weights = [(tmp_path / name / "last.safetensors").read_bytes() for name in ("auto", "plain")]
    assert len(weights[0]) == len(weights[1])

    processor_is(SLOWER if speeds is FASTER else FASTER)  # the folder moved to another machine
    assert list(fit(run, tmp_path / "auto", resume=True)) == []
    assert read_run(tmp_path / "auto" / "config.toml").precision == becomes
    with pytest.raises(TrainingError, match=rf"with precision '{becomes}', not 'float64'"):
        list(fit(replace(run, precision="float64"), tmp_path / "auto", resume=True))


def test_all_losses_of_a_comparison_have_one_precision(small, tmp_path, processor_is):
    run = replace(small, precision="auto", epochs=1)
    processor_is(FASTER)
    list(compare(run, ["Softmax"], tmp_path))
    processor_is(SLOWER)  # resumed on another machine
    list(compare(run, ["Softmax", "NormFace(scale=8)"], tmp_path))
    assert read_run(tmp_path / "normface" / "config.toml").precision == "bfloat16"


def test_an_explicit_bfloat16_warns_where_it_is_slower(small, tmp_path, processor_is):
    processor_is(SLOWER)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for name in ("one", "two"):
            list(fit(replace(small, precision="bfloat16", epochs=1), tmp_path / name))
    assert [str(each.message) for each in caught] == [
        "bfloat16 is slower than float32 on this processor (convolutions: float32 0.5 ms, bfloat16 60 ms): "
        'precision "float32" or "auto" is faster'
    ]
    assert read_run(tmp_path / "one" / "config.toml").precision == "bfloat16"  # as was asked


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_other_precisions_time_nothing(processor_is, precision):
    asked = processor_is(FASTER)
    run = Run(precision=precision)
    assert decided(run, nn.Linear(2, 2), torch.zeros(1, 2), CPU) == run
    assert asked == []


def test_runs_stay_float32_unless_asked():
    assert Run().precision == "float32"


def test_the_heaviest_layer_is_timed(processor_is):
    asked = processor_is(SLOWER)
    net = nn.Sequential(nn.Conv2d(1, 4, 5), nn.BatchNorm2d(4), nn.Conv2d(4, 6, 3), nn.Flatten(), nn.Linear(600, 2))
    image = torch.randint(0, 255, (1, 1, 16, 16), dtype=torch.uint8)
    state, numbers = torch.get_rng_state(), {name: value.clone() for name, value in net.state_dict().items()}
    net.train()
    assert heaviest_layer(Run(), net, image) is net[2]
    assert decided(Run(precision="auto"), net, image, CPU).precision == "float32"
    assert asked == [("convolution_speeds", 4, 6, (3, 3))]
    assert decided(Run(precision="auto"), net[4], torch.zeros(1, 600), CPU).precision == "float32"
    assert asked[1:] == [("product_speeds", 600, 2)]
    assert net.training
    assert torch.equal(state, torch.get_rng_state())
    assert all(torch.equal(value, numbers[name]) for name, value in net.state_dict().items())
    assert not any(layer._forward_hooks for layer in net.modules())


def test_a_net_without_products_stays_in_float32(processor_is):
    processor_is(FASTER)
    assert decided(Run(precision="auto"), nn.Flatten(), torch.zeros(1, 3), CPU).precision == "float32"


@pytest.mark.parametrize(("supported", "becomes"), [(True, "bfloat16"), (False, "float32")])
def test_a_gpu_takes_bfloat16_where_it_has_it(monkeypatch, processor_is, supported, becomes):
    asked = processor_is(SLOWER)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: supported)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "a GPU")
    monkeypatch.setattr(torch.cuda, "device", lambda device: warnings.catch_warnings())
    run = decided(Run(precision="auto"), nn.Linear(2, 2), torch.zeros(1, 2), torch.device("cuda"))
    assert run.precision == becomes
    assert asked == []
