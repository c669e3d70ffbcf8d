"""Catalogue of the losses: nothing public is left out, and statements derived from a class are true."""

from dataclasses import dataclass
from typing import ClassVar

import pytest
import torch
from torch import Tensor, nn

from cones import Margin, Rows
from cones.catalogue import (
    cost,
    describe,
    describe_in_full,
    entry,
    every_loss,
    example,
    find_loss,
    has_picture,
    index,
    page,
)
from cones.margins import Combine
from tests.losses import Bending, Biased

each_loss = pytest.mark.parametrize("loss", every_loss().values(), ids=lambda loss: loss.__name__)


@dataclass(frozen=True)
class Everything(Margin):
    """Counts everything.

        t = s (c - m_y + |x| / 1000)
        o_j = b c

    Where b is a remark.

    Args:
        counts: rows of each class,
            all of them.
        margin, shift: two of them, in radians.
        scale: s, above 0.

    Reference: nobody 2020, "Nothing <at> *all*", arXiv 2001.00001,
    eq. 1.
    """

    combine: ClassVar[Combine] = "one-vs-all"
    counts: tuple[int, ...]
    margin: float = 0.1
    shift: float = 0.0
    scale: float | Tensor = 2.0

    def target(self, similarity, rows):
        return self.scale * (
            similarity - self.margin / self.counts[0] + rows.feature_norm / 1000 + 0.01 * torch.rand(1)
        )

    def others(self, similarity, target, rows):
        return 3.0 * similarity

    def init_statistics(self, num_classes):
        return {"mean": 0.0, "spread": 1.0}

    def update_statistics(self, statistics, rows, rest):
        return {"mean": rest().mean(), "spread": statistics["spread"]}

    def class_bias(self, num_classes):
        return torch.zeros(num_classes)

    def penalty(self, rows):
        return rows.feature_norm


class Table(nn.Module):
    """A feature loss with all that costs."""

    def __init__(self, num_classes: int, dim: int) -> None:
        super().__init__()
        self.offset = nn.Parameter(torch.zeros(dim))
        self.register_buffer("means", torch.zeros(num_classes, dim))

    def forward(self, features, weight, labels):
        return ((features @ weight.T) ** 2).mean() + self.offset.sum() + self.get_buffer("means").sum()

    def update(self, features, labels):
        pass


@each_loss
def test_a_docstring_has_what_its_page_needs(loss):
    about = entry(loss)
    assert about.summary, f"{about.name}: the docstring has no first line"
    assert about.formula, f"{about.name}: the docstring has no formula, indented by 4"
    assert about.reference, f"{about.name}: the docstring has no 'Reference: ...'"
    for field in about.fields:
        assert field.meaning, f"{about.name}: the docstring has no line '{field.name}: ...' under Args"


@each_loss
def test_it_is_said_when_to_use_a_loss(loss):
    when = entry(loss).when
    assert when, f"{loss.__name__}: the docstring has no 'When to use: ...', a sentence or two"
    assert when.endswith(".")


@each_loss
def test_one_loss_in_short_and_in_full(loss):
    about = entry(loss)
    for text in (describe(loss), describe_in_full(loss)):
        assert text.startswith(about.signature)
        assert about.formula[0] in text
    full = " ".join(describe_in_full(loss).split())
    assert about.when in full
    assert about.reference in full
    assert all(line in full for line in cost(loss))


def test_a_docstring_taken_apart():
    about = entry(Everything)
    assert about.signature == "Everything(counts, margin=0.1, shift=0.0, scale=2.0)"
    assert about.formula == ("t = s (c - m_y + |x| / 1000)", "o_j = b c")
    assert about.body.endswith("Where b is a remark.")
    assert [field.meaning for field in about.fields] == [
        "rows of each class, all of them.",
        "two of them, in radians.",
        "two of them, in radians.",
        "s, above 0.",
    ]
    assert [field.unit for field in about.fields] == ["", "radians", "radians", ""]
    assert about.reference == 'nobody 2020, "Nothing <at> *all*", arXiv 2001.00001, eq. 1.'


def test_cost_is_told_from_the_class():
    assert cost(Everything) == [
        "One-vs-all: every other class adds its own loss term.",
        "Modifies the non-target logits.",
        "Runs under autograd on each tile of classes; `ClassSGD` cannot update W inside the backward.",
        "Keeps running statistics (`mean`, `spread`), updated in every training step, with one more product with W.",
        "Adds a fixed bias to the logits of all classes.",
        "Adds a penalty to the loss of each row.",
        "Depends on the norm of each feature: do not normalise features before the head.",
        "Draws from torch's generator: the loss of the same rows differs from call to call.",
        "Not a cross entropy over the classes: label smoothing does not apply.",
    ]
    assert cost(find_loss("CosFace"))[0].startswith("Closed form")
    assert "Modifies the non-target logits." in cost(Bending)
    assert "Adds a fixed bias to the logits of all classes." in cost(Biased)


def test_cost_of_a_feature_loss_is_told_from_a_call():
    assert cost(Table) == [
        "Learns `offset`, (D,): pass it to the optimiser.",
        "Keeps `means`, (K, D), in a buffer.",
        "Call `update` after the backward.",
        "Takes the class weights W, with gradient.",
        "Largest temporary: (N, K).",
    ]
    assert cost(find_loss("CenterLoss")) == [
        "Keeps `centers`, (K, D), in a buffer.",
        "Call `update` after the backward.",
        "Largest temporary: (N, D).",
    ]


def test_what_works_in_blocks_says_so():
    class Blocks:
        def __call__(self, weight):
            return sum((block @ weight.T).sum() for block in weight.split(2**18 // len(weight)))

    assert cost(Blocks) == [
        "Takes the class weights W, with gradient.",
        "Works in blocks of classes of fixed size.",
    ]


def test_a_page_of_a_margin_that_does_everything():
    text = page(Everything)
    assert "# Everything\n" in text
    assert "    t = s (c - m_y + |x| / 1000)\n" in text
    assert "| `counts` | none, must be given | – | rows of each class, all of them. |" in text
    assert "Drawn for ten classes with 1000, 600, " in text
    assert "Last, the logits of the other classes" in text
    assert r'"Nothing <at> *all*", [arXiv 2001.00001](https://arxiv.org/abs/2001.00001)' in text
    assert "When to use it" not in text


def test_a_table_cell_keeps_its_bars():
    line = next(line for line in index().splitlines() if line.startswith("| [LSoftmax]"))
    assert r"\|w_y\| \|x\|" in line


def test_losses_are_found_by_name():
    assert find_loss("ArcFace") is every_loss()["ArcFace"]
    with pytest.raises(
        ValueError, match=r"'arcfac' is not a loss \(did you mean ArcFace\?\); expected one of AdaCos, "
    ):
        find_loss("arcfac")


def test_an_example_needs_values():
    @dataclass(frozen=True)
    class Needy(Margin):
        wanted: int
        scale: float = 1.0

        def target(self, similarity: Tensor, rows: Rows) -> Tensor:
            return similarity

    with pytest.raises(
        ValueError, match=r"Needy has a field 'wanted' without a default: give it one, or a value in EX"
    ):
        example(Needy)


def test_a_loss_of_other_arguments_gets_no_picture():
    class Odd:
        def __call__(self, features: Tensor, moon: Tensor) -> Tensor:
            return features.sum() + moon

    assert not has_picture(Odd)
    assert "![" not in page(Odd)
    assert cost(Odd) == []
