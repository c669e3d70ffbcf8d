"""Contract of every margin: rounding errors, |ours - truth| against |the plain way - truth|."""

import pytest
import torch

import cones
from cones.engine.dense import combined
from cones.engine.draws import draw_seed, with_noise
from cones.margins import with_others_summaries
from tests.engine.contract import dense, each_margin, engine, gradients, scale_of, seeded
from tests.losses import of_classes, problem, statistics_of


@seeded
def dense_in_bfloat16(x, w, y, margin):
    """The dense loss with its product in bfloat16, as autocast would run it."""
    unit_x, unit_w = (torch.nn.functional.normalize(rows) for rows in (x, w))
    x_norm, w_norm = x.norm(dim=1), w.norm(dim=1)
    x, w = (unit_x if margin.features == "unit" else x), (unit_w if margin.weights == "unit" else w)
    similarity = (x.bfloat16() @ w.bfloat16().T).float()
    margin, statistics = of_classes(margin, range(len(w))), statistics_of(margin, len(w))
    rows = cones.Rows(similarity.gather(1, y[:, None]).squeeze(1), x_norm, w_norm[y], y, statistics)
    rows = with_noise(rows, margin, draw_seed() if margin.draws else None)
    rows = with_others_summaries(margin, similarity, torch.nn.functional.one_hot(y, len(w)).bool(), rows)
    target = margin.target(rows.similarity, rows)
    logits = margin.others(similarity, target, rows).scatter(1, y[:, None], target[:, None])
    bias = margin.class_bias(len(w))
    losses = combined(logits if bias is None else logits + bias, y, margin)
    penalty = margin.penalty(rows)
    return losses if penalty is None else losses + penalty


@each_margin
def test_bfloat16_error_is_no_worse_than_the_plain_way(margin):
    x, w, y, _ = problem(n=64, k=50, d=16, seed=4)
    half_x = x.bfloat16()
    truth = dense(half_x.double(), w, y, margin)
    fast = engine(half_x, w.float(), y, margin, compute_dtype=torch.bfloat16).double()
    plain = dense_in_bfloat16(half_x.float(), w.float(), y, margin).double()
    assert (fast - truth).abs().mean() <= (plain - truth).abs().mean() + 1e-3 * scale_of(margin)


@each_margin
def test_float32_error_is_no_worse_than_dense(margin):
    x, w, y, _ = problem(n=64, k=500, d=16, seed=6)
    truth = dense(x, w, y, margin)
    fast = engine(x.float(), w.float(), y, margin).double()
    plain = dense(x.float(), w.float(), y, margin).double()
    assert (fast - truth).abs().max() <= 2 * (plain - truth).abs().max() + 1e-6


@each_margin
@pytest.mark.parametrize("budget", [2**18, 2**28])
@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
def test_error_against_the_truth_is_no_larger_than_the_dense_way(margin, budget, precision):
    """Value, gradient of the features, gradient of the weight."""
    x, w, y, _ = problem(128, 2000, 64, seed=2, dtype=torch.float32)
    w = w if margin.weights == "unit" else w / 10  # keeps raw logits where a network's are
    truth, truth_grads = gradients(lambda x, w: dense(x, w, y, margin), x.double(), w.double())
    plainly = dense if precision == torch.float32 else dense_in_bfloat16
    plain, plain_grads = gradients(lambda x, w: plainly(x, w, y, margin), x, w)
    compute_dtype = None if precision == torch.float32 else precision
    ours, our_grads = gradients(
        lambda x, w: engine(x, w, y, margin, memory_budget=budget, compute_dtype=compute_dtype), x, w
    )
    for one, other, true in zip((ours, *our_grads), (plain, *plain_grads), (truth, *truth_grads), strict=True):
        # two roundings of the same size differ by luck
        assert (one - true).norm() <= 1.25 * (other - true).norm()


@pytest.mark.parametrize(("n", "k", "d", "allowed"), [(64, 5000, 512, 1), (128, 2000, 64, 1.25), (256, 1000, 700, 1)])
def test_float32_arcface_at_real_dims_is_nearer_to_the_truth_than_dense(n, k, d, allowed):
    """Sums of many terms: over dims, classes and rows. Over few dims gradients differ from dense's by luck."""
    margin = cones.ArcFace(0.5, 64.0)
    ours_all, plain_all = [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]
    for seed in range(5):
        x, w, y, _ = problem(n, k, d, seed=seed, dtype=torch.float32)
        x[::2] += 22 * torch.nn.functional.normalize(w[y[::2]])
        truth, truth_grads = gradients(lambda x, w, y=y: dense(x, w, y, margin), x.double(), w.double())
        plain, plain_grads = gradients(lambda x, w, y=y: dense(x, w, y, margin), x, w)
        ours, our_grads = gradients(lambda x, w, y=y: engine(x, w, y, margin), x, w)
        for what, true in enumerate((truth, *truth_grads)):
            ours_all[what] += float(((ours, *our_grads)[what] - true).norm())
            plain_all[what] += float(((plain, *plain_grads)[what] - true).norm())
    assert ours_all[0] <= plain_all[0]
    assert all(one <= allowed * other for one, other in zip(ours_all, plain_all, strict=True))
