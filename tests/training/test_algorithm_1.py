"""One step of the trainer against the equations of center loss, written out in NumPy."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from cones.data import load
from cones.training import fit
from cones.training.batches import order
from cones.training.model import build_model
from tests.narrowing import not_none

LAMBDA, ALPHA, MU = 0.7, 0.3, 0.05


@pytest.fixture
def points(tmp_path):
    """Vectors of 6 numbers in 3 classes, of which one batch holds every row."""
    random = np.random.default_rng(1)
    path = tmp_path / "points.npz"
    labels = np.array([0, 1, 1, 2, 0, 1, 2, 2, 1, 0])
    np.savez(
        path,
        train_features=random.normal(size=(10, 6)).astype(np.float32),
        train_labels=labels,
        test_features=random.normal(size=(3, 6)).astype(np.float32),
        test_labels=np.array([0, 1, 2]),
    )
    return path


def test_one_step_is_the_papers(points, tmp_path, small):
    """Lines 3 to 7: lambda is in theta's gradient, in neither W's nor c's; c moves by alpha, not by mu."""
    run = replace(
        small,
        data=f"npz:{points}",
        loss=f"Softmax + {LAMBDA} * CenterLoss(alpha={ALPHA})",
        bias=True,
        backbone="torch.nn:Linear(in_features=6, out_features=2)",
        epochs=1,
        batch_size=10,
        learning_rate=MU,
        momentum=0.0,
        weight_decay=0.0,
        clip_norm=0.0,
        schedule="constant",
        precision="float64",
        log_every=1,
    )
    train = load(run.data).train
    backbone, loss = build_model(run, train)
    (only,) = order(10, 10, run.seed, 0)
    inputs, y = train.inputs[only].double().numpy(), train.labels[only].numpy()
    theta, theta_b = (backbone.get_parameter(name).detach().numpy().copy() for name in ("weight", "bias"))
    w, b = loss.head.weight.detach().numpy().copy(), not_none(loss.head.bias).detach().numpy().copy()
    c = np.zeros((3, 2))

    x = inputs @ theta.T + theta_b
    z = x @ w.T + b
    p = np.exp(z - z.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    softmax_loss = -np.log(p[np.arange(10), y]).mean()
    center_loss = 0.5 * ((x - c[y]) ** 2).sum(axis=1).mean()
    residual = (p - np.eye(3)[y]) / 10  # dL_S / dz
    x_gradient = residual @ w + LAMBDA * (x - c[y]) / 10  # line 4
    new_w, new_b = w - MU * residual.T @ x, b - MU * residual.sum(axis=0)  # line 5: L_S alone
    new_c = c.copy()
    for j in range(3):  # line 6
        mine = x[y == j]
        new_c[j] = c[j] - ALPHA * (c[j] - mine).sum(axis=0) / (1 + len(mine))
    new_theta, new_theta_b = theta - MU * x_gradient.T @ inputs, theta_b - MU * x_gradient.sum(axis=0)  # line 7

    first, *_ = fit(run, tmp_path / "run")
    assert first["loss"] == pytest.approx(softmax_loss + LAMBDA * center_loss, abs=1e-12)
    assert first["terms"]["CenterLoss"] == pytest.approx(center_loss, abs=1e-12)
    after = {name: tensor.numpy() for name, tensor in load_file(tmp_path / "run" / "last.safetensors").items()}
    for name, expected in (
        ("backbone.weight", new_theta),
        ("backbone.bias", new_theta_b),
        ("loss.head.weight", new_w),
        ("loss.head.bias", new_b),
        ("loss.modules_of_terms.0.centers", new_c),
    ):
        np.testing.assert_allclose(after[name], expected, rtol=1e-12, atol=1e-12, err_msg=name)


def test_without_lambda_it_is_softmax(small, tmp_path):
    plain = list(fit(replace(small, loss="Softmax"), tmp_path / "a"))
    joint = list(fit(replace(small, loss="Softmax + 0.0 * CenterLoss"), tmp_path / "b"))
    assert [line["loss"] for line in plain if line["kind"] == "train"] == [
        line["loss"] for line in joint if line["kind"] == "train"
    ]
    a, b = (load_file(tmp_path / name / "last.safetensors") for name in "ab")
    assert torch.equal(a["loss.head.weight"], b["loss.head.weight"])
