"""Checkpoints are complete or absent, and errors say what is wrong with them."""

import resource
import subprocess
import sys
from dataclasses import replace

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from cones.training import CheckpointError, fit
from cones.training.checkpoint import Position, load_checkpoint, load_weights, save_checkpoint


def parts():
    torch.manual_seed(0)
    backbone, loss = torch.nn.Linear(300, 200), torch.nn.Linear(2, 2)
    optimizer = torch.optim.AdamW([*backbone.parameters(), *loss.parameters()])
    (backbone(torch.ones(1, 300)).sum() + loss(torch.ones(1, 2)).sum()).backward()
    optimizer.step()
    return backbone, loss, optimizer


def test_everything_comes_back(tmp_path):
    backbone, loss, optimizer = parts()
    save_checkpoint(tmp_path / "a", backbone, loss, optimizer, Position(step=3, best_accuracy=0.1 + 0.2))
    expected = torch.rand(3)
    others = parts()
    torch.rand(100)
    position = load_checkpoint(tmp_path / "a", *others)
    assert position == Position(step=3, best_accuracy=0.1 + 0.2)
    assert torch.equal(torch.rand(3), expected)
    for mine, theirs in zip(optimizer.state.values(), others[2].state.values(), strict=True):
        assert mine.keys() == theirs.keys()
        assert all(torch.equal(mine[name], theirs[name]) for name in mine)
    with safe_open(tmp_path / "a", framework="pt") as file:
        assert "backbone.weight" in file.keys()  # noqa: SIM118


def test_tied_weights(tmp_path):
    class Tied(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = torch.nn.Linear(2, 2), torch.nn.Linear(2, 2)
            self.b.weight = self.a.weight

    backbone, loss = Tied(), torch.nn.Linear(1, 1)
    save_checkpoint(tmp_path / "a", backbone, loss, torch.optim.SGD(backbone.parameters(), lr=1.0), Position())
    load_weights(tmp_path / "a", backbone, loss)


def test_a_broken_checkpoint_is_named(tmp_path):
    backbone, loss, optimizer = parts()
    path = tmp_path / "last.safetensors"
    with pytest.raises(CheckpointError, match=r"there is no file .*last.safetensors, expected a checkpoint"):
        load_weights(path, backbone, loss)
    save_checkpoint(path, backbone, loss, optimizer, Position())
    whole = path.read_bytes()
    for broken in (b"", whole[:50], whole[:-10], b"\x80\x04" + whole[2:], bytes(len(whole))):
        path.write_bytes(broken)
        with pytest.raises(CheckpointError, match=r"last.safetensors is broken"):
            load_checkpoint(path, backbone, loss, optimizer)
    save_file({"x": torch.zeros(1)}, path)
    with pytest.raises(CheckpointError, match="was not written by this trainer"):
        load_checkpoint(path, backbone, loss, optimizer)
    path.write_bytes(whole)
    with pytest.raises(CheckpointError, match="holds another model than the configuration names"):
        load_checkpoint(path, torch.nn.Linear(3, 3), loss, optimizer)


FULL_DISK = """
import resource, sys
sys.path.insert(0, {tests!r})
from pathlib import Path
from cones.training import CheckpointError
from cones.training.checkpoint import Position, save_checkpoint
from tests.training.test_checkpoint import parts
path = Path({path!r})
save_checkpoint(path, *parts(), Position(step=1))
good = path.read_bytes()
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))  # as a disk does when it is full
try:
    save_checkpoint(path, *parts(), Position(step=2))
except CheckpointError as error:
    print(error)
assert path.read_bytes() == good
assert [entry.name for entry in path.parent.iterdir()] == [path.name]
"""


def test_a_full_disk_loses_nothing(tmp_path, request):
    path = tmp_path / "run" / "last.safetensors"
    script = FULL_DISK.format(tests=str(request.config.rootpath / "tests"), path=str(path))
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "cannot write" in done.stdout
    assert "the file there before is unchanged" in done.stdout
    assert len(done.stdout.splitlines()) == 1
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY


def test_a_run_with_a_corrupt_checkpoint_refuses_to_go_on(small, tmp_path):
    list(fit(replace(small, epochs=1), tmp_path))
    (tmp_path / "last.safetensors").write_bytes(b"nonsense")
    with pytest.raises(CheckpointError, match="is broken"):
        next(fit(replace(small, epochs=1), tmp_path, resume=True))
    assert (tmp_path / "last.safetensors").read_bytes() == b"nonsense"
