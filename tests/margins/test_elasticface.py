"""ElasticFace: one normal draw per row, and the assignment of draws with `plus`."""

import pytest
import torch

import cones
from cones import ElasticFace, margin_softmax
from cones.engine.draws import with_noise
from tests.losses import problem


def drawn(margin, cosine, seed=0):
    """The margins (N,) that rows at cosine (N,) get, read off the logits of the cosine form."""
    one = torch.ones_like(cosine)
    rows = cones.Rows(cosine, one, one, torch.zeros(len(cosine), dtype=torch.long), {})
    rows = with_noise(rows, margin, torch.tensor(seed))
    return cosine - margin.target(cosine, rows) / margin.scale


COSINE = torch.tensor([0.1, 0.9, 0.5, 0.7], dtype=torch.float64)


def test_draws_are_normal():
    margins = drawn(ElasticFace(margin=0.35, std=0.05, kind="cos"), torch.zeros(100_000, dtype=torch.float64))
    assert margins.mean().item() == pytest.approx(0.35, abs=1e-3)
    assert margins.std().item() == pytest.approx(0.05, abs=1e-3)
    assert (margins - 0.35).abs().lt(0.05).double().mean().item() == pytest.approx(0.6827, abs=0.01)


def test_every_loss_draws_anew_and_a_seed_repeats_it():
    x, w, y, _ = problem()
    margin = ElasticFace(scale=8.0)
    torch.manual_seed(3)
    first, second = margin_softmax(x, w, y, margin), margin_softmax(x, w, y, margin)
    assert not torch.equal(first, second)
    torch.manual_seed(3)
    assert torch.equal(margin_softmax(x, w, y, margin), first)


def test_draws_depend_on_neither_classes_nor_tiles_nor_precision():
    x, w, y, _ = problem()
    y = y % 7
    margin = ElasticFace(scale=8.0, std=0.2)

    def after(run):
        torch.manual_seed(1)
        run()
        return torch.rand(3)

    states = [
        after(lambda k=k, budget=budget: margin_softmax(x, w[:k], y, margin, memory_budget=budget))
        for k in (7, 23)
        for budget in (1, 3000, 2**28)
    ]
    assert all(torch.equal(state, states[0]) for state in states)
    cosine = torch.linspace(-1, 1, 33, dtype=torch.float64)
    margin = ElasticFace(margin=0.35, scale=8.0, std=0.2, kind="cos")
    torch.testing.assert_close(drawn(margin, cosine), drawn(margin, cosine.float()).double(), rtol=0, atol=1e-6)


def test_plus_gives_the_largest_cosine_the_smallest_margin():
    plain = drawn(ElasticFace(margin=0.5, std=0.05, kind="cos"), COSINE)
    plus = drawn(ElasticFace(margin=0.5, std=0.05, kind="cos", plus=True), COSINE)
    smallest, second, third, largest = plain.sort().values.tolist()
    assert plus.tolist() == pytest.approx([largest, smallest, third, second])


def test_plus_deals_by_cosine_whatever_the_order_of_rows():
    margin = ElasticFace(margin=0.5, std=0.05, kind="cos", plus=True)
    order = torch.tensor([2, 0, 3, 1])
    torch.testing.assert_close(drawn(margin, COSINE[order]), drawn(margin, COSINE)[order])


def test_target_alone_needs_the_draws():
    one = torch.ones(1)
    rows = cones.Rows(one, one, one, torch.zeros(1, dtype=torch.long), {})
    with pytest.raises(ValueError, match=r"rows.noise is None, expected \(N,\) standard normal numbers: rows._replace"):
        ElasticFace().target(one, rows)


@pytest.mark.parametrize("kind", ["arc", "cos"])
@pytest.mark.parametrize("plus", [False, True])
@pytest.mark.parametrize("n", [0, 1])
def test_no_rows_and_one_row(kind, plus, n):
    x, w, y, _ = problem(n=n)
    x.requires_grad_()
    losses = margin_softmax(x, w, y, ElasticFace(kind=kind, plus=plus))
    losses.sum().backward()
    assert losses.shape == (n,)
    assert torch.isfinite(x.grad).all()


@pytest.mark.parametrize("kind", ["arc", "cos"])
def test_without_spread_the_target_falls_with_the_angle(kind):
    theta = torch.linspace(0, torch.pi, 2001, dtype=torch.float64)
    one = torch.ones_like(theta)
    rows = cones.Rows(theta.cos(), one, one, torch.zeros(len(theta), dtype=torch.long), {}, noise=one)
    logit = ElasticFace(scale=8.0, std=0.0, kind=kind).target(theta.cos(), rows)
    assert (logit.diff() <= 1e-9).all()


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"margin": -0.1}, "margin is -0.1, expected a finite number of at least 0"),
        ({"std": -0.1}, "std is -0.1, expected a finite number of at least 0"),
        ({"kind": "am"}, "kind is 'am', expected one of arc, cos"),
    ],
)
def test_errors_name_the_field(fields, text):
    with pytest.raises(ValueError, match=f"ElasticFace: {text}"):
        ElasticFace(**fields)
