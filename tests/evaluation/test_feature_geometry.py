"""Geometry of labelled features: known answers, and a brute-force reading of the definitions."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

import cones.evaluation.blocks
from cones.evaluation import Geometry, angular_fisher_score, geometry


def angle(a: Tensor, b: Tensor) -> float:
    if a.norm() == 0 or b.norm() == 0:
        return math.pi / 2
    return math.acos(max(-1.0, min(1.0, float(a @ b / (a.norm() * b.norm())))))


def direction(rows: Tensor) -> Tensor:
    units = [x / x.norm() if x.norm() > 0 else x for x in rows]
    return torch.stack(units).mean(0)


def brute_force(x: Tensor, y: Tensor, w: Tensor, z: Tensor) -> Geometry:
    """Every sum written out over single rows and pairs."""
    n, present = len(x), sorted(set(y.tolist()))
    means = {j: direction(x[y == j]) for j in present}
    raw = {j: x[y == j].mean(0) for j in present}
    center = direction(x)
    pairs = [angle(means[i], means[j]) for i in present for j in present if i < j]
    s_w = sum(1 - math.cos(angle(x[i], means[int(y[i])])) for i in range(n))
    s_b = sum(int((y == j).sum()) * (1 - math.cos(angle(means[j], center))) for j in present)
    t_w = sum(float((x[i] - raw[int(y[i])]).square().sum()) for i in range(n))
    t_b = sum(int((y == j).sum()) * float((raw[j] - x.mean(0)).square().sum()) for j in present)
    p = [float(torch.softmax(z[i], 0)[y[i]]) for i in range(n)]
    sure = [1 - q for q in p if q > 0.99]
    norms = [float(v.norm()) for v in x]
    mean_norm = sum(norms) / n
    return Geometry(
        mean_intra_angle=sum(angle(x[i], means[int(y[i])]) for i in range(n)) / n,
        mean_inter_angle=sum(pairs) / len(pairs),
        min_inter_angle=min(pairs),
        fisher_ratio=t_b / t_w,
        angular_fisher_score=s_w / s_b,
        mean_norm=mean_norm,
        norm_variation=math.sqrt(sum((v - mean_norm) ** 2 for v in norms) / n) / mean_norm,
        mean_own_angle=sum(angle(x[i], w[y[i]]) for i in range(n)) / n,
        mean_other_angle=sum(min(angle(x[i], w[j]) for j in range(len(w)) if j != y[i]) for i in range(n)) / n,
        confident_share=len(sure) / n,
        confident_gradient=sum(sure) / len(sure) if sure else None,
    )


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    rows=st.integers(3, 40),
    dims=st.integers(2, 6),
    classes=st.integers(2, 7),
    zero=st.booleans(),
)
def test_equals_brute_force(seed: int, rows: int, dims: int, classes: int, zero: bool) -> None:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(rows, dims, generator=generator, dtype=torch.float64)
    y = torch.randint(classes, (rows,), generator=generator)
    y[0], y[1], y[2] = 0, 1, 1
    x[2] = x[1] + 0.5  # some scatter within a class, so that no ratio divides by zero
    if zero:
        x[0] = 0
    w = torch.randn(classes, dims, generator=generator, dtype=torch.float64)
    z = 6 * torch.randn(rows, classes, generator=generator, dtype=torch.float64)
    got, expected = vars(geometry(x, y, w, z)), vars(brute_force(x, y, w, z))
    for name, value in expected.items():
        assert got[name] == (value if value is None else pytest.approx(value, rel=1e-7, abs=1e-7)), name


def test_blocks_do_not_change_the_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    x, y, w, z = torch.randn(50, 3), torch.arange(50) % 7, torch.randn(7, 3), 6 * torch.randn(50, 7)
    whole = vars(geometry(x, y, w, z))
    for block in (1, 20, 33):
        monkeypatch.setattr(cones.evaluation.blocks, "BLOCK", block)
        assert vars(geometry(x, y, w, z)) == pytest.approx(whole, rel=1e-12)


def test_tight_classes_at_right_angles() -> None:
    x = torch.tensor([[2.0, 0.0], [1.0, 0.0], [0.0, 3.0], [0.0, 2.0]])
    g = geometry(x, torch.tensor([0, 0, 5, 5]))
    assert g.mean_intra_angle == 0
    assert g.mean_inter_angle == g.min_inter_angle == pytest.approx(math.pi / 2)
    assert g.angular_fisher_score == pytest.approx(0, abs=1e-12)
    assert g.fisher_ratio == pytest.approx(8.5)  # means (1.5, 0), (0, 2.5): S_b = 4 (1.5² + 2.5²) / 4, S_w = 1
    assert g.mean_norm == 2
    assert g.norm_variation == pytest.approx(math.sqrt(0.5) / 2)
    assert g.mean_own_angle is g.confident_share is g.confident_gradient is None


def test_collapsed_classes_have_an_infinite_ratio() -> None:
    g = geometry(torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]]), torch.tensor([0, 0, 1, 1]))
    assert g.fisher_ratio == math.inf


def test_ratios_of_equal_rows_are_refused() -> None:
    figures = {each.name: each for each in geometry(torch.ones(4, 2), torch.tensor([0, 0, 1, 1])).as_figures()}
    assert figures["Fisher ratio"].value is None
    assert figures["Fisher ratio"].note == "embeddings do not differ, neither within classes nor between them"
    assert figures["angular Fisher score"].value is None
    assert figures["angular Fisher score"].note == "the classes do not differ in their mean direction"


@pytest.mark.parametrize("factor", [2.0**-1000, 2.0**1000])
def test_the_size_of_features_changes_no_ratio(factor: float) -> None:
    x, y = torch.randn(12, 3, dtype=torch.float64), torch.arange(12) // 4
    plain, scaled = geometry(x, y), geometry(x * factor, y)
    assert scaled.fisher_ratio == plain.fisher_ratio
    assert scaled.mean_norm == plain.mean_norm * factor


def test_score_knows_no_lengths() -> None:
    torch.manual_seed(0)
    x, y = torch.randn(30, 4), torch.arange(30) % 3
    stretched = x * torch.rand(30, 1).add(0.1)
    assert angular_fisher_score(stretched, y) == pytest.approx(angular_fisher_score(x, y), rel=1e-5)


def test_angles_hold_for_features_of_any_length() -> None:
    torch.manual_seed(0)
    x, y = torch.randn(30, 4, dtype=torch.float64), torch.arange(30) % 3
    assert geometry(1e-200 * x, y).mean_intra_angle == pytest.approx(geometry(x, y).mean_intra_angle, rel=1e-12)


def test_classes_in_one_direction_have_no_angle_between_them() -> None:
    x, y = torch.tensor([[1.0, 1.0], [1.0, -1.0], [2.0, 1.0], [2.0, -1.0]]), torch.tensor([0, 0, 1, 1])
    assert angular_fisher_score(x, y) > 1e12
    assert math.isnan(angular_fisher_score(torch.ones(4, 1), y))


def test_all_zero_features_stand_at_right_angles() -> None:
    g = geometry(torch.zeros(4, 3), torch.tensor([0, 0, 1, 1]))
    assert g.mean_intra_angle == g.min_inter_angle == pytest.approx(math.pi / 2)
    assert g.mean_norm == g.norm_variation == 0


def test_confident_rows_and_their_gradient() -> None:
    p = torch.tensor([[0.999, 0.001], [0.995, 0.005], [0.9, 0.1], [0.01, 0.99]], dtype=torch.float64)
    g = geometry(torch.eye(4), torch.tensor([0, 0, 0, 1]), logits=p.log())  # 0.99 is not more than 0.99
    assert g.confident_share == 0.5
    assert g.confident_gradient == pytest.approx(0.003)


def test_gradient_of_confident_rows_is_half_the_l1_norm_of_the_gradient_by_logits() -> None:
    z = torch.tensor([[9.0, 1.0, 2.0], [0.0, 8.0, 1.0]], dtype=torch.float64, requires_grad=True)
    y = torch.tensor([0, 1])
    (gradient,) = torch.autograd.grad(torch.nn.functional.cross_entropy(z, y, reduction="sum"), z)
    got = geometry(torch.eye(2), y, logits=z).confident_gradient
    assert got == pytest.approx(gradient.abs().sum(1).mean().item() / 2)


def test_half_precision_is_measured_in_double() -> None:
    x = torch.randn(20, 3).half()
    y = torch.arange(20) % 2
    assert geometry(x, y) == geometry(x.double(), y)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"features": torch.zeros(0, 2), "labels": torch.zeros(0, dtype=torch.long)},
            r"features has no rows",
        ),
        ({"features": torch.zeros(4)}, r"features has shape \(4,\), expected \(N, D\)"),
        ({"labels": torch.tensor([0, 1])}, r"labels has shape \(2,\), expected \(4,\)"),
        ({"labels": torch.zeros(4)}, r"labels has dtype torch.float32, expected integers"),
        ({"labels": torch.full((4,), 3)}, r"labels holds one class only \(3\)"),
        ({"weight": torch.zeros(2, 5)}, r"weight has shape \(2, 5\), expected \(K, 2\)"),
        ({"weight": torch.zeros(1, 2)}, r"labels\[1\] is 1, but weight has 1 rows"),
        ({"logits": torch.zeros(3, 2)}, r"logits has shape \(3, 2\), expected \(4, K\)"),
        ({"logits": torch.zeros(4, 1)}, r"labels\[1\] is 1, but logits has 1 columns"),
    ],
)
def test_errors_name_the_argument(change: dict[str, Tensor], message: str) -> None:
    arguments = {"features": torch.ones(4, 2), "labels": torch.tensor([0, 1, 0, 1])} | change
    with pytest.raises(ValueError, match=message):
        geometry(**arguments)


def test_public_names() -> None:
    assert cones.evaluation.angular_fisher_score is angular_fisher_score
