"""A user-defined feature loss, by import path: trained, saved, resumed and listed like those of the package."""

import json
import sys
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file

import cones
from cones.common.import_path import TrustError
from cones.training import JointLoss, compare, fit, parse_objective, read_run, write_results
from cones.training._joint import build_loss
from tests.narrowing import instance_of

MODULE = """
from dataclasses import dataclass
import torch
import cones

@dataclass(frozen=True)
class Shrink:
    power: float = 2.0

    def __call__(self, features):
        return features.norm(dim=1).pow(self.power).mean()

class Pull(torch.nn.Module):
    "Learnt factors, and anchors that follow the features by a rule of their own."

    def __init__(self, dim, rate=0.5, *, num_classes):
        super().__init__()
        self.rate = rate
        self.factor = torch.nn.Parameter(torch.ones(dim))
        self.register_buffer("anchors", torch.zeros(num_classes, dim))

    def forward(self, labels, features, weight, correct, num_classes, scale=1.0):
        assert weight.shape == (num_classes, len(self.factor)) and correct.dtype == torch.bool
        return scale * (self.factor * (features - self.anchors[labels])).square().sum(dim=1).mean()

    @torch.no_grad()
    def update(self, features, labels):
        self.anchors[labels] += self.rate * (features - self.anchors[labels])

class Rows:
    def __call__(self, features):
        return features.norm(dim=1)

class Strange:
    def __call__(self, features, temperature):
        return features.mean()

class Still:
    def __call__(self, labels):
        return labels.float().mean()

class Plain:
    pass

def function(features):
    return features.mean()
"""


@pytest.fixture(autouse=True)
def module(tmp_path, monkeypatch):
    """mine.py in the current folder."""
    (tmp_path / "mine.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    sys.modules.pop("mine", None)  # another test's
    yield
    sys.modules.pop("mine", None)


LOSS = "Softmax + 0.1 * mine:Pull(rate=0.25) + 0.01 * mine:Shrink"
WRITTEN = "Softmax(scale=1.0) + 0.1 * mine:Pull(rate=0.25) + 0.01 * mine:Shrink()"


def test_it_trains_is_saved_and_goes_on_bit_by_bit(small, tmp_path):
    whole = replace(small, loss=LOSS, epochs=2)
    lines = list(fit(whole, tmp_path / "whole"))
    terms = [line["terms"] for line in lines if line["kind"] == "train"]
    assert all(set(line) == {"Pull", "Shrink"} for line in terms)
    state = load_file(tmp_path / "whole" / "last.safetensors")
    factor, anchors = (state[f"loss.modules_of_terms.0.{name}"] for name in ("factor", "anchors"))
    assert not torch.equal(factor, torch.ones(2))
    assert anchors.abs().sum() > 0

    list(fit(replace(whole, epochs=1, schedule="constant"), tmp_path / "halves"))
    config = tmp_path / "halves" / "config.toml"
    assert f'loss = "{WRITTEN}"' in config.read_text()
    run = read_run(config)
    with pytest.raises(TrustError, match=r"mine:Pull.* add --trust"):
        next(fit(run, tmp_path / "halves", resume=True))
    list(fit(replace(whole, schedule="constant"), tmp_path / "once"))
    with pytest.warns(UserWarning, match="the run goes to epoch 2"):
        list(fit(replace(read_run(config, trust=True), epochs=2), tmp_path / "halves", resume=True))
    once, halves = (load_file(tmp_path / folder / "last.safetensors") for folder in ("once", "halves"))
    assert all(torch.equal(once[name], halves[name]) for name in once if name.startswith(("loss.", "backbone.")))

    with pytest.raises(TrustError, match=r"config.toml names code as its loss, mine:"):
        write_results(tmp_path / "halves")
    assert write_results(tmp_path / "halves", trust=True)["objective"] == WRITTEN


def test_a_comparison_names_its_folder(small, tmp_path):
    list(compare(replace(small, epochs=1), ["Softmax + 0.1 * mine:Shrink", "Softmax"], tmp_path / "out"))
    runs = json.loads((tmp_path / "out" / "comparison.json").read_text())["runs"]
    assert runs == ["softmax-shrink", "softmax"]


def test_it_is_called_with_what_its_arguments_name():
    loss = build_loss(replace(cones.training.Run(), loss="Softmax + 0.5 * mine:Pull"), [2] * 3, 4)
    x, y = torch.randn(6, 4), torch.arange(6) % 3
    parts = loss(x, y)
    torch.testing.assert_close(parts.terms["Pull"], x.square().sum(dim=1).mean())
    torch.testing.assert_close(parts.total, parts.margin + 0.5 * parts.terms["Pull"])
    loss.after_backward(x, y)
    assert instance_of(torch.nn.Module, loss.terms[0][1]).get_buffer("anchors").abs().sum() > 0


def test_text_and_value_are_one():
    objective = parse_objective(LOSS)
    assert str(objective) == WRITTEN
    assert parse_objective(WRITTEN) == objective


@pytest.mark.parametrize(
    ("loss", "text"),
    [
        ("Softmax + mine:Shrink", r"mine:Shrink: a feature loss needs its weight in front, 0.01 \* mine:Shrink\(\)"),
        ("0.1 * mine:Shrink", r"expected exactly one margin-softmax loss"),
        ("Softmax + 0.1 * mine:Shrink(pwer=2)", r"mine:Shrink has no field 'pwer' \(did you mean power\?\)"),
        ("Softmax + 0.1 * mine:Pull(dim=3)", r"mine:Pull has no field 'dim'; it has rate"),
        (
            "Softmax + 0.1 * mine:Strange",
            r"mine:Strange is not a feature loss: Strange must be called with temperature",
        ),
        ("Softmax + 0.1 * mine:Still", r"mine:Still is not a feature loss: .* neither features nor weight"),
        ("Softmax + 0.1 * mine:Plain", r"mine:Plain is not a feature loss: Plain has no __call__, expected one"),
        ("Softmax + 0.1 * mine:function", r"mine:function is <function .*, expected a class"),
        ("Softmax + 0.1 * os:system(command='x')", r"os:system is <built-in function system>, expected a class"),
        ("Softmax + 0.1 * torch.nn:MSELoss", r"MSELoss must be called with input, expected arguments by name"),
        ("Softmax + 0.1 * mine:Shrnk", r"mine has no 'Shrnk'"),
        ("Softmax + 0.1 * cones:ArcFace", r"only feature losses have a weight"),
    ],
)
def test_an_error_says_what_is_wrong(loss, text):
    with pytest.raises(ValueError, match=text):
        parse_objective(loss)


def test_a_part_that_is_no_number_is_refused():
    loss = build_loss(replace(cones.training.Run(), loss="Softmax + 0.5 * mine:Rows"), [2, 2], 3)
    with pytest.raises(TypeError, match=r"Rows returned shape \(4,\), expected a 0-dim tensor"):
        loss(torch.randn(4, 3), torch.arange(4) % 2)
    with pytest.raises(ValueError, match=r"Identity must be called with input"):
        JointLoss(cones.Head(5, 6, cones.Softmax()), [(1.0, torch.nn.Identity())])
