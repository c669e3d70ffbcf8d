"""The picture of each loss: drawn for every public loss and for margins with one odd property each."""

from pathlib import Path

import pytest
import torch

import cones
from cones.catalogue import every_loss, example, has_picture
from cones.margins import Margin
from cones.plots import curve_figure, loss_figure, target_curve, write_index, write_pages
from cones.probing.margins import draws_at_random
from tests.artificial import Prior, Quality, Random, Running, Tail, YesOrNo
from tests.engine.contract import differentiable
from tests.losses import Bending, Biased
from tests.narrowing import not_none

ODD: list[Margin] = [Prior(), Quality(), Random(), Running(), Tail(), YesOrNo(), Bending(), Biased()]
MARGINS = [example(kind) for kind in every_loss().values() if issubclass(kind, Margin)]


@pytest.mark.parametrize("margin", [*MARGINS, *ODD], ids=lambda margin: type(margin).__name__)
def test_every_margin_has_a_curve(margin: Margin) -> None:
    theta, value, slope = target_curve(margin)
    assert theta.shape == value.shape == slope.shape
    assert torch.isfinite(value).all()
    assert torch.isfinite(slope).all()
    if draws_at_random(margin) or not differentiable(margin):
        return  # a mean of other draws at each angle, whose differences are noise; or a slope that is not the value's
    kink, jump = (slope[2:] - slope[:-2]).abs(), (value[2:] - value[:-2]).abs()
    smooth = (kink < 0.1) & (jump < 0.1)
    numeric = (value[2:] - value[:-2]) / (theta[2:] - theta[:-2])
    torch.testing.assert_close(slope[1:-1][smooth], numeric[smooth], atol=0.1, rtol=0.1)


def test_curves_over_norm_and_class() -> None:
    theta, short, _ = target_curve(Quality(), feature_norm=1.0)
    torch.testing.assert_close(short, theta.cos() - 0.01)
    _, common, _ = target_curve(Tail(), label=0)
    _, rare, _ = target_curve(Tail(), label=9)
    torch.testing.assert_close(theta.cos() - rare, torch.full_like(rare, 0.5))
    torch.testing.assert_close(theta.cos() - common, torch.full_like(rare, 0.5 * 100**-0.25))


@pytest.mark.parametrize("margin", ODD, ids=lambda margin: type(margin).__name__)
def test_odd_margins_are_drawn(margin: Margin) -> None:
    figure = loss_figure(margin)
    assert len(figure.axes) == (4 if isinstance(margin, Bending | YesOrNo) else 3)
    names = [text.get_text() for text in not_none(figure.axes[0].get_legend()).get_texts()]
    assert names[0] == "cos θ"
    if isinstance(margin, Quality):
        assert names[1:] == ["‖x‖ = 1", "‖x‖ = 10", "‖x‖ = 40", "‖x‖ = 110"]
    elif isinstance(margin, Tail | Prior):
        assert names[1:] == ["first class", "last class"]
    curve_figure([margin])


def test_same_loss_gives_the_same_bytes(tmp_path: Path) -> None:
    losses = [cones.ArcFace, cones.CenterLoss, Random, Bending]
    for name in ("a", "b"):
        paths = [*write_pages(losses, tmp_path / name), write_index(tmp_path / name)]
        assert [path.name for path in paths[:2]] == ["ArcFace.md", "ArcFace.svg"]
    written = {path.name: path.read_bytes() for path in (tmp_path / "a").iterdir()}
    assert written == {path.name: path.read_bytes() for path in (tmp_path / "b").iterdir()}
    assert all(has_picture(loss) == (f"{loss.__name__}.svg" in written) for loss in losses)
    assert max(map(len, written.values())) < 150_000
