"""Each figure: drawn for plain and awkward input, with errors that name what is wrong."""

import math
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from pathlib import Path

import matplotlib
import numpy as np
import pytest
import torch
from torch import Tensor

from cones.margins import ArcFace, ASoftmax, CosFace, LSoftmax, Margin, NormFace, Softmax
from cones.plots import (
    LabelledFeatures,
    Panel,
    angle_figure,
    class_angles,
    curve_figure,
    feature_figure,
    grid_figure,
    learning_figure,
    norm_figure,
    save,
    target_curve,
)
from tests.narrowing import not_none
from tests.plots.clusters import clusters

FOUR = ["0", "1", "2", "3"]


def test_same_figure_gives_the_same_bytes_and_a_well_formed_svg(tmp_path: Path) -> None:
    points, weight = clusters(200)
    written = []
    for name in ("a", "b"):
        figure = feature_figure([points], weight, FOUR, title="Softmax", logits=lambda x: x @ weight.T)
        svg, png = save(figure, tmp_path / "figures" / name)
        assert svg.suffix == ".svg"
        assert png.read_bytes().startswith(b"\x89PNG")
        written.append((svg.read_bytes(), png.read_bytes()))
    assert written[0] == written[1]
    assert ElementTree.fromstring(written[0][0]).tag.endswith("svg")
    assert b"dc:date" not in written[0][0]


def test_name_with_a_dot_keeps_it(tmp_path: Path) -> None:
    points, _ = clusters(20)
    svg, png = save(norm_figure([points], FOUR), tmp_path / "margin=0.3")
    assert (svg.name, png.name) == ("margin=0.3.svg", "margin=0.3.png")


def test_settings_of_matplotlib_are_neither_used_nor_changed(tmp_path: Path) -> None:
    points, _ = clusters(20)
    plain, _ = save(norm_figure([points], FOUR), tmp_path / "plain")
    with matplotlib.rc_context({"font.size": 30, "axes.facecolor": "black"}):
        before = dict(matplotlib.rcParams)
        odd, _ = save(norm_figure([points], FOUR), tmp_path / "odd")
        assert dict(matplotlib.rcParams) == before
    assert plain.read_bytes() == odd.read_bytes()


def test_nothing_is_left_behind_when_drawing_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    points, _ = clusters(20)
    figure = norm_figure([points], FOUR)

    def broken(path: Path, **_: object) -> None:
        Path(path).write_text("half")
        raise OSError("disk full")

    monkeypatch.setattr(figure, "savefig", broken)
    with pytest.raises(OSError, match="disk full"):
        save(figure, tmp_path / "norms")
    assert list(tmp_path.iterdir()) == []


def test_sixty_thousand_points_stay_small(tmp_path: Path) -> None:
    points, weight = clusters(60_000)
    svg, _ = save(feature_figure([points, points], weight, FOUR), tmp_path / "many")
    assert svg.stat().st_size < 500_000


@pytest.mark.parametrize("dims", [2, 3, 17])
@pytest.mark.parametrize("classes", [1, 4, 11, 45])
def test_features_and_grid_in_any_size(dims: int, classes: int, tmp_path: Path) -> None:
    points, weight = clusters(90, dims, classes)
    names = [f"person {j}" for j in range(classes)]
    save(feature_figure([points], weight, names), tmp_path / "features")
    save(grid_figure([Panel("Softmax", points, weight, 0.5)], names), tmp_path / "grid")


def test_zero_features_and_zero_weights_are_drawn(tmp_path: Path) -> None:
    points = LabelledFeatures("test", torch.zeros(4, 2), torch.arange(4))
    save(feature_figure([points], torch.zeros(4, 2), FOUR), tmp_path / "zero")
    save(angle_figure([points], torch.zeros(4, 2)), tmp_path / "angles")
    save(norm_figure([points], FOUR), tmp_path / "norms")


def test_title_says_when_it_is_a_projection() -> None:
    points, weight = clusters(50, 8)
    assert "2 of 8 dimensions (PCA" in feature_figure([points], weight, FOUR, title="Softmax").get_suptitle()


def test_far_outliers_are_counted_not_drawn() -> None:
    points, weight = clusters(1000)
    far = points.features.clone()
    far[0] = 1e4
    figure = feature_figure([LabelledFeatures("test", far, points.labels)], weight, FOUR)
    assert any("1 beyond" in text.get_text() for text in figure.axes[0].texts)


@pytest.mark.parametrize(
    ("features", "labels", "message"),
    [
        (torch.zeros(3), torch.zeros(3).long(), r"features of 'test' has shape \(3,\), expected \(N, D\)"),
        (torch.zeros(0, 2), torch.zeros(0).long(), r"features of 'test' has shape \(0, 2\)"),
        (torch.zeros(3, 2), torch.zeros(2).long(), r"labels of 'test' has shape \(2,\), expected \(3,\)"),
        (torch.tensor([[1.0], [math.nan]]), torch.zeros(2).long(), r"features\[1\] of 'test' is not finite"),
    ],
)
def test_points_are_checked(features: Tensor, labels: Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        LabelledFeatures("test", features, labels)


def test_errors_name_the_argument() -> None:
    points, weight = clusters(20)
    with pytest.raises(ValueError, match="sets is empty"):
        feature_figure([], weight, FOUR)
    with pytest.raises(ValueError, match=r"weight has shape \(4, 2\), expected \(K, D\) = \(3, 2\)"):
        feature_figure([points], weight, FOUR[:3])
    with pytest.raises(ValueError, match=r"labels of 'test' run from 0 to 3, but there are 2 classes \(0\.\.1\)"):
        feature_figure([points], weight[:2], FOUR[:2])
    with pytest.raises(ValueError, match="1 dimension, expected 2 or more"):
        feature_figure([LabelledFeatures("test", points.features[:, :1], points.labels)], weight[:, :1], FOUR)
    with pytest.raises(ValueError, match="panels is empty"):
        grid_figure([], FOUR)
    with pytest.raises(ValueError, match="columns is 0"):
        grid_figure([Panel("Softmax", points, weight)], FOUR, columns=0)
    with pytest.raises(ValueError, match="margins is empty"):
        curve_figure([])
    with pytest.raises(ValueError, match="metrics holds no numbers"):
        learning_figure([{"kind": "train", "epoch": 1.0, "loss": math.nan}])
    with pytest.raises(ValueError, match="nearest other class needs two classes"):
        angle_figure([LabelledFeatures("test", torch.ones(2, 2), torch.zeros(2).long())], torch.ones(1, 2))
    with pytest.raises(ValueError, match="labels of 'test' run from 0 to 3, but there are 2 classes"):
        norm_figure([points], FOUR[:2])


@pytest.mark.parametrize(
    ("margin", "curve"),
    [
        (Softmax(), torch.cos),
        (NormFace(scale=16.0), torch.cos),
        (CosFace(margin=0.2, scale=16.0), lambda theta: torch.cos(theta) - 0.2),
        (LSoftmax(margin=1), torch.cos),
    ],
)
def test_target_curves_of_known_margins(margin: Margin, curve: Callable[[Tensor], Tensor]) -> None:
    theta, value, slope = target_curve(margin)
    assert torch.allclose(value, curve(theta))
    assert torch.allclose(slope, -torch.sin(theta))


def test_slope_of_arcface_is_its_own_at_zero_angle() -> None:
    theta, _, slope = target_curve(ArcFace(margin=0.5))
    early = theta < 2
    assert torch.allclose(slope[early], -torch.sin(theta[early] + 0.5))


def test_target_curve_of_asoftmax_falls_to_its_end() -> None:
    theta, value, slope = target_curve(ASoftmax(margin=4))
    assert value[-1].item() == pytest.approx(-7, abs=1e-3)
    assert bool((slope <= 1e-9).all())
    numeric = (value[2:] - value[:-2]) / (theta[2:] - theta[:-2])
    assert torch.allclose(numeric, slope[1:-1], atol=0.05)


def test_curves_draw_equal_margins_once(tmp_path: Path) -> None:
    assert len(curve_figure([Softmax(), Softmax(), NormFace()]).axes) == 2
    many: list[Margin] = [Softmax(), NormFace(), CosFace(), ArcFace(), ASoftmax()]
    figure = curve_figure(many)
    assert sum(axes.axison for axes in figure.axes) == 5
    save(figure, tmp_path / "curves")


def test_class_angles_of_known_directions() -> None:
    weight = torch.tensor([[1.0, 0.0], [0.0, 2.0], [-1.0, 0.0]])
    features = torch.tensor([[3.0, 0.0], [1.0, 1.0], [0.0, 0.0]])
    own, other = class_angles(features, torch.tensor([0, 1, 2]), weight)
    quarter = math.pi / 4
    assert own.tolist() == pytest.approx([0, quarter, 2 * quarter])
    assert other.tolist() == pytest.approx([2 * quarter, quarter, 2 * quarter])


def test_learning_leaves_out_what_is_missing_or_never_moves() -> None:
    records: list[dict[str, object]] = [
        {"kind": "train", "epoch": 0.1 * i, "loss": 1.0 / (i + 1), "margin": {"scale": 16.0}} for i in range(5)
    ]
    figure = learning_figure(records)
    assert [axes.get_title(loc="left") for axes in figure.axes if axes.axison] == ["loss"]
    moving = [record | {"margin": {"margin": 0.1 * i, "scale": 16.0}} for i, record in enumerate(records)]
    schedule = learning_figure(moving).axes[1]
    assert [text.get_text() for text in not_none(schedule.get_legend()).get_texts()] == ["margin (1 = 0.4)"]


def test_learning_shows_the_validation_with_a_ring_at_the_best_epoch() -> None:
    tar, eer = (0.5, 0.9, 0.7), (0.3, 0.1, 0.05)
    for best_by, best in (("tar", (2, 0.9)), ("eer", (3, 0.05))):
        records: list[dict[str, object]] = [
            {"kind": "validation", "epoch": i + 1, "tar": tar[i], "eer": eer[i], "rank_1": None, "best_by": best_by}
            for i in range(3)
        ]
        (axes,) = learning_figure(records).axes
        assert axes.get_title(loc="left") == "validation"
        names = [text.get_text() for text in not_none(axes.get_legend()).get_texts()]
        assert names == ["TAR at FAR 0.001", "EER"]
        (ring,) = [line for line in axes.lines if line.get_marker() == "o"]
        assert np.asarray(ring.get_xydata()).tolist() == [list(best)]


def test_five_panels_are_three_and_two() -> None:
    train = {"kind": "train", "epoch": 1, "loss": 1.0, "accuracy": 0.5, "target_cosine": 0.1, "learning_rate": 0.1}
    figure = learning_figure([train, {"kind": "validation", "epoch": 1, "tar": 0.5, "best_by": "tar"}])
    assert [axes.axison for axes in figure.axes] == [True] * 5 + [False]
