"""`cones checkpoint`: what a checkpoint holds, its head alone, and classes added and removed."""

import re
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.distributed as dist
import torch.nn.functional as F
from safetensors import safe_open

from cones.cli import app
from cones.embedding import load_backbone
from cones.migrate import read_head
from cones.training import Run, fit
from cones.training.checkpoint import load_checkpoint, save_checkpoint
from cones.training.shared_checkpoint import save_shared
from tests.tiny_run import write_vectors
from tests.training.shared_run import CLASSES, DIM, NAMES, POSITION, parts, values
from tests.world import in_world

KEPT = [number for number in range(CLASSES) if number not in (0, 4, 10)]


def cones(capsys, *arguments):
    """The exit code, output and error of the command."""
    with pytest.raises(SystemExit) as ended:
        app.main(["checkpoint", *map(str, arguments)])
    captured = capsys.readouterr()
    return ended.value.code, captured.out, captured.err


def write(folder, kind="alone", classes=NAMES, **settings):
    """A checkpoint of one process or a shared one, of filled parts; and the parts."""
    run = parts(filled=True, **settings)
    folder.mkdir(exist_ok=True)
    (folder / "config.toml").write_text("")
    if kind == "alone":
        save_checkpoint(folder / "last.safetensors", *run, POSITION, classes=classes)
    else:
        save_shared(folder, *run, POSITION, None, classes=classes)
    return run


KINDS = pytest.mark.parametrize("kind", ["alone", "shared"])


@KINDS
def test_inspect(tmp_path, capsys, kind):
    write(tmp_path, kind)
    code, out, _ = cones(capsys, "inspect", tmp_path)
    assert code == 0
    for line in (
        r"step 3, epoch 1, batch 2; ",
        "all checksums are right",
        "head: 11 classes, margin AdaFace(",
        "names of classes: person 0, person 1, person 2, person 3, person 4, ...",
    ):
        assert line in out
    assert ["loss.head.weight", "float32", "22x6", "1"] in [line.split() for line in out.splitlines()]
    name = "last.safetensors" if kind == "alone" else "last/000001"
    assert cones(capsys, "inspect", tmp_path / name)[:2] == (0, out)


def test_inspect_of_broken_ones(tmp_path, capsys):
    write(tmp_path, "shared")
    write(tmp_path, "shared")
    path = tmp_path / "last" / "000002" / "rank-0.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    code, out, _ = cones(capsys, "inspect", tmp_path)
    assert code == 1
    assert out.startswith(f"{tmp_path / 'last' / '000002'}: broken (the tensor ")
    assert f"{tmp_path / 'last' / '000001'}: step 3" in out
    code, _, error = cones(capsys, "inspect", tmp_path / "none")
    assert (code, error) == (2, f"cones: {tmp_path / 'none'} is not there: name the folder of a run, or a checkpoint\n")
    code, _, error = cones(capsys, "inspect", tmp_path, "--which", "best")
    assert (code, error) == (2, f"cones: there is no file {tmp_path / 'best.safetensors'}, expected a checkpoint\n")


@KINDS
def test_merge(tmp_path, capsys, kind):
    _, loss, _ = write(tmp_path, kind)
    code, out, _ = cones(capsys, "merge", tmp_path, "--out", tmp_path / "head.safetensors")
    assert code == 0
    assert out.endswith("head.safetensors\n")
    head = read_head(tmp_path / "head.safetensors")
    assert (head.margin, head.subcenters) == (loss.head.margin, 2)
    for name, tensor in loss.head.state_dict().items():
        assert torch.equal(head.state_dict()[name], tensor), name
    with safe_open(tmp_path / "head.safetensors", framework="pt") as file:
        assert "person 10" in file.metadata()["classes"]


def rows_of(name, tensor):
    """(K, ...) of what has rows per class: by name, so that the test does not follow the code."""
    if name.startswith("b."):
        return None
    per_class = {"head.bias", "head.class_weights", "modules_of_terms.0.centers"}
    if tensor.dim() == 2 and len(tensor) % CLASSES == 0:
        return tensor.view(CLASSES, -1, DIM)
    return tensor if name in per_class or tensor.shape == (CLASSES,) else None


@KINDS
@pytest.mark.parametrize("optimizer", ["adamw", "class"])
def test_drop(tmp_path, capsys, kind, optimizer):
    before = values(*write(tmp_path / "run", kind, optimizer=optimizer))
    (tmp_path / "list.txt").write_text("person 4\n\n10\n")
    out = tmp_path / "new"
    arguments = ("drop", tmp_path / "run", "--classes", "person 0", "--listed", tmp_path / "list.txt", "--out", out)
    code, text, _ = cones(capsys, *arguments)
    assert code == 0
    assert text.endswith(": 8 classes, without 3\n")
    assert (out / "config.toml").exists()
    after = parts(num_classes=8, optimizer=optimizer)
    names = [NAMES[number] for number in KEPT]
    assert load_checkpoint(out / "last.safetensors", *after, classes=names) == POSITION
    after = values(*after)
    edited = 0
    for name, tensor in before.items():
        rows = rows_of(name, tensor)
        edited += rows is not None
        expected = tensor if rows is None else rows[KEPT].reshape(-1, *tensor.shape[1:])
        assert torch.equal(after[name], expected), name
    assert edited == (8 if optimizer == "adamw" else 6)  # W, bias, class weights, centers, and two or one states of two
    code, _, error = cones(capsys, *arguments)
    assert (code, error.count("\n")) == (1, 1)
    assert "already exists" in error


@KINDS
def test_grow(tmp_path, capsys, kind):
    before = values(*write(tmp_path / "run", kind))
    features = torch.randn(5, DIM, generator=torch.Generator().manual_seed(1))
    labels = np.array(["zoe", "new", "zoe", "new", "zoe"])
    np.savez(tmp_path / "new.npz", features=features.numpy(), labels=labels)
    out = tmp_path / "grown"
    added = ("--features", tmp_path / "new.npz", "--names", "zoe", "new", "yan")
    assert cones(capsys, "grow", tmp_path / "run", "--out", out, *added)[0] == 0
    after = parts(num_classes=14)
    load_checkpoint(out / "last.safetensors", *after, classes=[*NAMES, "zoe", "new", "yan"])
    head = after[1].head
    after = values(*after)
    for name, tensor in before.items():
        rows = rows_of(name, tensor)
        assert torch.equal(after[name][: len(tensor)] if rows is not None else after[name], tensor), name
    weight = head.weight.detach().view(14, 2, DIM)
    means = [F.normalize(features[labels == name].double(), dim=1).mean(dim=0) for name in ("zoe", "new")]
    torch.testing.assert_close(
        F.normalize(weight[11:13, 0].double(), dim=1), F.normalize(torch.stack(means), dim=1), rtol=0, atol=1e-6
    )
    norms = before["head.weight"].norm(dim=1).mean()
    torch.testing.assert_close(weight[11:13, 0].norm(dim=1), norms.expand(2), rtol=1e-5, atol=0)
    drawn = torch.cat([weight[11:, 1], weight[13:, 0]])
    assert drawn.std() < 1
    assert len(drawn.unique(dim=0)) == 4
    moments = [name for name in before if name.endswith(("exp_avg", "exp_avg_sq"))]
    state = [name for name in moments if rows_of(name, before[name]) is not None]
    assert len(state) == 4
    assert all(not after[name][len(before[name]) :].any() for name in state)
    centers = torch.stack([features[labels == name].mean(dim=0) for name in ("zoe", "new")])
    torch.testing.assert_close(after["modules_of_terms.0.centers"][11:13], centers)


def test_new_classes_keep_the_order_of_the_data(tmp_path, capsys):
    names = ["b", "d", "f", "h", "j", "l", "n", "p", "r", "t", "v"]
    before = write(tmp_path / "run", classes=names)[1].head.weight.detach().view(CLASSES, 2, DIM)
    assert cones(capsys, "grow", tmp_path / "run", "--out", tmp_path / "new", "--names", "z", "a", "c")[0] == 0
    after = parts(num_classes=14)
    load_checkpoint(tmp_path / "new" / "last.safetensors", *after, classes=sorted([*names, "z", "a", "c"]))
    weight = after[1].head.weight.detach().view(14, 2, DIM)
    assert torch.equal(weight[[1, 3, *range(4, 13)]], before)


def test_grown_and_dropped_again_is_the_same(tmp_path, capsys):
    write(tmp_path / "run", "shared", classes=())
    assert cones(capsys, "grow", tmp_path / "run", "--out", tmp_path / "a", "--count", "2")[0] == 0
    assert cones(capsys, "drop", tmp_path / "a", "--out", tmp_path / "b", "--classes", "11", "12")[0] == 0
    after, expected = parts(), parts(filled=True)
    load_checkpoint(tmp_path / "b" / "last.safetensors", *after)
    after, expected = values(*after), values(*expected)
    assert all(torch.equal(after[name], expected[name]) for name in expected)


@pytest.mark.parametrize(
    ("arguments", "code", "error"),
    [
        (("drop", "--classes", "person 99"), 2, "class 'person 99' is not in .* (did you mean person 9?): expected "),
        (("drop", "--classes", "11"), 2, "class '11' is not in .*: expected names of classes, or numbers in 0..10"),
        (("drop", "--classes", *NAMES), 2, "classes are all 11 of .*: expected to keep some"),
        (("drop",), 2, "--classes and --listed name no class to drop: pass at least one"),
        (("drop", "--listed", "none.txt"), 2, "--listed none.txt cannot be read as text"),
        (("grow", "--names", "person 3"), 2, "class 'person 3' is there already, or given twice: expected new names"),
        (("grow", "--count", "3"), 2, "--count is 3, but the classes of .* have names: pass --names NAME instead"),
        (("grow",), 2, "no class is given to add: pass --names NAME, --features FILE or --count N"),
        (("grow", "--features", "none.npz"), 2, "none.npz"),
        (("grow", "--names", "x", "--quux"), 2, "--quux is not an option of cones checkpoint"),
    ],
)
def test_errors_in_one_line(tmp_path, capsys, arguments, code, error):
    write(tmp_path / "run")
    action, *rest = arguments
    ended, _, text = cones(capsys, action, tmp_path / "run", "--out", tmp_path / "new", *rest)
    assert ended == code
    pattern = ".*".join(re.escape(part) for part in error.split(".*"))
    assert re.search(pattern, text), text
    assert text.count("\n") == 1
    assert not (tmp_path / "new").exists()


def test_a_run_goes_on_with_one_class_less(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    spec = write_vectors(tmp_path / "data.npz")
    run = Run(
        data=spec, backbone="mlp", feature_dim=3, epochs=1, batch_size=16, tensorboard=False, threads=1, device="cpu",
        loss="ArcFace(margin=0.1, scale=8.0) + 0.1 * CenterLoss()",
    )  # fmt: skip
    list(fit(run, tmp_path / "run"))
    with np.load(tmp_path / "data.npz") as file:
        arrays = {name: file[name][file["labels"] != 1] for name in file.files}
    assert cones(capsys, "drop", tmp_path / "run", "--classes", "1", "--out", tmp_path / "less")[0] == 0
    np.savez(tmp_path / "data.npz", **arrays)
    with pytest.warns(UserWarning, match="the run goes to epoch 2"):
        lines = list(fit(replace(run, epochs=2), tmp_path / "less", resume=True))
    assert lines[-1]["epoch"] == 2
    assert load_backbone(tmp_path / "less").position.epoch == 2


def save_on_ranks(rank, world, folder):
    save_shared(folder, *parts(dist.group.WORLD, filled=True), POSITION, dist.group.WORLD, classes=NAMES)


@pytest.mark.slow
def test_of_three_ranks(tmp_path, capsys):
    in_world(3, save_on_ranks, tmp_path)
    out = cones(capsys, "inspect", tmp_path)[1]
    assert "3 files of as many ranks" in out
    assert ["loss.head.weight", "float32", "22x6", "3"] in [line.split() for line in out.splitlines()]
    assert cones(capsys, "drop", tmp_path, "--classes", "0", "--out", tmp_path / "less")[0] == 0
    assert "3 files of as many ranks" in cones(capsys, "inspect", tmp_path / "less")[1]
    assert cones(capsys, "merge", tmp_path / "less", "--out", tmp_path / "h.safetensors")[0] == 0
    assert torch.equal(read_head(tmp_path / "h.safetensors").weight, parts(filled=True)[1].head.weight[2:])
    shutil.rmtree(tmp_path / "less")
