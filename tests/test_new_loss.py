"""docs/new-loss.md: its file is written, and its code runs from top to bottom."""

import math
import re
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist

import cones
from cones import margins
from cones.cli.app import main
from cones.engine.ranks import shard
from cones.margins._parse import written
from cones.training import Run, parse_objective
from tests.losses import problem
from tests.narrowing import grad_of
from tests.world import in_world

TUTORIAL = Path(__file__).parents[1] / "docs" / "new-loss.md"
FILE, *STEPS = re.findall(
    r"^```python\n(.*?)^```$", TUTORIAL.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE
)


@pytest.fixture
def mine(tmp_path, monkeypatch):
    """The class of the tutorial, from its file in a folder on the path."""
    (tmp_path / "mine.py").write_text(FILE)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "mine", raising=False)
    return margins.known("mine:SineMargin")["mine:SineMargin"]


def test_the_file_is_short():
    assert len(FILE.splitlines()) < 40


def test_the_steps_run_and_the_net_learns(mine):
    torch.manual_seed(0)
    names: dict[str, Any] = {}
    for step in STEPS:
        if "check_margin" not in step or hasattr(cones, "check_margin"):
            exec(step, names)
    assert (names["predicted"] == names["targets"]).float().mean() > 0.9
    assert isinstance(names["margin"], mine)


def test_known_values(mine):
    theta = torch.tensor([0.0, math.pi / 2, math.pi], dtype=torch.float64)
    rows = cones.Rows(theta.cos(), torch.ones(3), torch.ones(3), torch.zeros(3, dtype=torch.long), {})
    torch.testing.assert_close(mine(margin=0.3, scale=1.0).target(theta.cos(), rows).tolist(), [1.0, -0.3, -1.0])
    x, w, y = torch.randn(7, 5).double(), torch.randn(11, 5).double(), torch.arange(7)
    plain = cones.margin_softmax(x, w, y, cones.NormFace(scale=16.0))
    torch.testing.assert_close(cones.margin_softmax(x, w, y, mine(margin=0.0)), plain)


def test_gradients_and_edges(mine):
    x = torch.tensor([[2.0, 0.0], [-1.0, 0.0], [0.0, 0.0], [1.0, 1.0]], dtype=torch.float64)
    w, y = torch.eye(2, dtype=torch.float64), torch.tensor([0, 0, 0, 1])
    leaf = x.clone().requires_grad_()
    losses = cones.margin_softmax(leaf, w, y, mine())
    losses.sum().backward()
    assert torch.isfinite(losses).all()
    assert torch.isfinite(grad_of(leaf)).all()
    rough = torch.randn(4, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: cones.margin_softmax(x, torch.eye(3).double(), y, mine()), rough)


def test_it_is_written_with_its_module(mine):
    margin = margins.parse("mine:SineMargin(margin=0.1)")
    assert margin == mine(margin=0.1)
    assert written(margin) == "mine:SineMargin(margin=0.1, scale=16.0)"
    assert margins.parse(written(margin)) == margin


def test_its_curve_and_its_page(mine, tmp_path, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["plot", "--margins", "mine:SineMargin", "CosFace(margin=0.3)", "--out", str(tmp_path / "curves")])
    assert ended.value.code == 0
    with pytest.raises(SystemExit) as ended:
        main(["losses", "mine:SineMargin", "--out", str(tmp_path / "pages")])
    assert ended.value.code == 0
    page = (tmp_path / "pages" / "SineMargin.md").read_text(encoding="utf-8")
    assert "t = s (cos(theta_y) - m sin^2(theta_y))" in page
    assert "| `margin` | `0.3` | cosine | m in cosine units, in [0, 0.5]" in page
    assert "Closed form" in page
    assert ElementTree.parse(tmp_path / "pages" / "SineMargin.svg").getroot().tag.endswith("svg")
    with pytest.raises(SystemExit):
        main(["losses", "mine:SineMargin"])
    assert "largest across the class direction" in capsys.readouterr().out


def test_the_trainer_takes_it(mine, tmp_path):
    run = Run(loss="mine:SineMargin(margin=LinearWarmup(start=0.0, end=0.3, steps=9)) + 0.1 * CenterLoss")
    assert str(run.objective).startswith("mine:SineMargin(margin=LinearWarmup(")
    assert parse_objective(str(run.objective)) == run.objective


def sharded(rank, world, folder):
    """The tutorial's loss over classes that the processes share, against one process."""
    sys.path.insert(0, folder)
    margin = margins.parse("mine:SineMargin(scale=8.0)")
    x, w, y, _ = problem()
    start, stop = shard(len(w), rank, world)
    whole, part = w.clone().requires_grad_(), w[start:stop].clone().requires_grad_()
    expected = cones.dense_margin_softmax(x, whole, y, margin)
    expected.mean().backward()
    mine = slice(0, 4) if rank == 0 else slice(4, 7)
    losses = cones.margin_softmax(x[mine], part, y[mine], margin, group=dist.group.WORLD)
    (losses.sum() * world / len(x)).backward()
    torch.testing.assert_close(losses, expected[mine])
    torch.testing.assert_close(part.grad, whole.grad[start:stop])


def test_its_classes_can_be_shared_by_processes(mine, tmp_path):
    in_world(2, sharded, str(tmp_path))
