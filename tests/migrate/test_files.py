"""Files of other libraries are read without executing them; heads are written atomically; the command does both."""

import os
import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from cones import ArcFace, CosFace, Head
from cones.cli.app import main
from cones.migrate import WeightsError, from_insightface, in_rank_order, migrate, read_head, read_weights, write_head


class Payload:
    """Creates a file when it is unpickled."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return (os.mkdir, (self.path,))


def test_nested_names_are_joined_and_other_values_left_out(tmp_path):
    content = {
        "epoch": 3,
        "state_dict_softmax_fc": {"weight": torch.eye(2)},
        "optimizer": {"state": {0: torch.ones(1)}},
    }
    torch.save(content, tmp_path / "checkpoint.pt")
    assert read_weights(tmp_path / "checkpoint.pt").keys() == {"state_dict_softmax_fc.weight", "optimizer.state.0"}
    torch.save(torch.nn.Parameter(torch.eye(2)), tmp_path / "rank_0_softmax_weight.pt")
    (weight,) = read_weights(str(tmp_path / "rank_0_softmax_weight.pt")).values()
    assert torch.equal(weight, torch.eye(2))
    assert not weight.requires_grad
    save_file({"W": torch.eye(2)}, tmp_path / "loss.safetensors")
    assert torch.equal(read_weights(tmp_path / "loss.safetensors")["W"], torch.eye(2))


@pytest.mark.parametrize("how", ["zip", "legacy", "pickle"])
def test_a_malicious_file_is_refused_and_nothing_in_it_runs(tmp_path, how):
    path, made = tmp_path / "loss.pth", tmp_path / "made"
    content = {"W": torch.eye(2), "payload": Payload(made)}
    if how == "pickle":
        path.write_bytes(pickle.dumps(content))
    else:
        torch.save(content, path, _use_new_zipfile_serialization=how == "zip")
    with pytest.raises(WeightsError, match=r"loss.pth was not read and nothing in it was executed: .*torch.save\(loss"):
        read_weights(path)
    assert not made.exists()
    assert torch.load(path, weights_only=False) if how != "pickle" else pickle.loads(path.read_bytes())
    assert made.exists()  # so the payload was a live one


def test_a_pickled_module_is_refused_by_name_in_one_line(tmp_path):
    torch.save(torch.nn.Linear(2, 2), tmp_path / "module.pt")
    with pytest.raises(WeightsError, match=r"it imports torch.nn.modules.linear.Linear, and plain weights") as caught:
        read_weights(tmp_path / "module.pt")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"junk", b"PK\x03\x04 more junk", b"\x80\x02}q\x00."], ids=repr)
@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
def test_a_broken_or_empty_file_gives_one_line(tmp_path, content, suffix):
    path = tmp_path / f"broken{suffix}"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match=rf"broken{suffix}") as caught:
        read_weights(path)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"there is no file .*no.pt"):
        read_weights(tmp_path / "no.pt")


def test_ranks_are_sorted_by_number():
    names = [f"checkpoint_gpu_{rank}.pt" for rank in range(12)]
    assert in_rank_order([Path(name) for name in sorted(names)]) == [Path(name) for name in names]
    old = [Path("softmax_fc_gpu_1.pt"), Path("softmax_fc_gpu_0.pt")]
    assert in_rank_order(old) == old[::-1]
    assert in_rank_order([Path("rank_1_softmax_weight.pt"), Path("rank_0_softmax_weight.pt")])[0].name.startswith(
        "rank_0"
    )
    assert in_rank_order([Path("whole.pt")]) == [Path("whole.pt")]


@pytest.mark.parametrize(
    ("names", "text"),
    [
        (["a.pt", "b.pt"], r"a.pt does not say its rank: expected names like checkpoint_gpu_0.pt"),
        (["gpu_0.pt", "x/gpu_0.pt"], r"x/gpu_0.pt and gpu_0.pt are both of rank 0"),
        (["gpu_0.pt", "gpu_2.pt", "gpu_3.pt"], r"rank 1 is missing among ranks 0, 2, 3: pass all"),
    ],
)
def test_ranks_that_do_not_add_up(names, text):
    with pytest.raises(ValueError, match=text):
        in_rank_order([Path(name) for name in names])


@pytest.mark.parametrize("options", [{}, {"bias": True}, {"learn_scale": True}, {"dtype": torch.float64}], ids=repr)
def test_a_head_is_read_back_as_it_was(tmp_path, options):
    head = Head(5, 7, ArcFace(margin=0.4991641660703783, tail="monotone"), **options)
    path = tmp_path / "new" / "head.safetensors"
    write_head(path, head)
    again = read_head(path)
    assert again.margin == head.margin
    assert again.state_dict().keys() == head.state_dict().keys()
    x, y = torch.randn(3, 5), torch.tensor([0, 6, 2])
    assert torch.equal(again(x, y), head(x, y))
    assert [file.name for file in path.parent.iterdir()] == ["head.safetensors"]


def test_a_full_disk_leaves_the_old_head(tmp_path, monkeypatch):
    path = tmp_path / "head.safetensors"
    write_head(path, Head(2, 3, CosFace()))
    before = path.read_bytes()

    def full(*_):
        raise OSError("No space left on device")

    monkeypatch.setattr("cones.common.atomic_files.os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_head(path, Head(2, 3, ArcFace()))
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_what_is_no_head_is_refused(tmp_path):
    save_file({"weight": torch.eye(2)}, tmp_path / "plain.safetensors")
    (tmp_path / "junk.safetensors").write_bytes(b"junk")
    with pytest.raises(WeightsError, match=r"plain.safetensors is not a head: expected the format cones-head-1"):
        read_head(tmp_path / "plain.safetensors")
    with pytest.raises(WeightsError, match=r"junk.safetensors is broken"):
        read_head(tmp_path / "junk.safetensors")
    with pytest.raises(FileNotFoundError, match=r"there is no file"):
        read_head(tmp_path / "no.safetensors")


def run(*arguments):
    with pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in ("migrate", *arguments)])
    return ended.value.code


def test_the_command_prints_the_difference_and_writes_the_head(tmp_path, capsys):
    torch.save({"W": torch.randn(5, 23)}, tmp_path / "loss.pt")
    out = tmp_path / "head.safetensors"
    settings = ["--margin", 28.6, "--scale", 64, "--out", out]
    assert run("pytorch-metric-learning", tmp_path / "loss.pt", *settings) == 0
    printed = capsys.readouterr().out
    assert "against pytorch-metric-learning ArcFaceLoss(margin=28.6 degrees, scale=64)" in printed
    assert "of a logit" in printed
    assert "of a loss" in printed
    assert str(out) in printed
    assert read_head(out).margin == ArcFace(0.4991641660703783, 64.0, "monotone")


def test_the_command_joins_ranks_whatever_the_order_of_files(tmp_path, capsys):
    whole = torch.randn(25, 5)
    for rank, part in enumerate(whole.tensor_split(12)):
        torch.save({"state_dict_softmax_fc": {"weight": part.clone()}}, tmp_path / f"checkpoint_gpu_{rank}.pt")
    out = tmp_path / "head.safetensors"
    files = sorted(tmp_path.glob("*.pt"))
    assert run("insightface", *files, "--margin", 1, 0.5, 0, "--num-classes", 25, "--out", out) == 0
    assert torch.equal(read_head(out).weight.detach(), whole)
    assert read_head(out).margin == from_insightface([{"weight": whole}]).margin


def test_ranks_that_nothing_says_are_all_are_told(tmp_path, capsys):
    for rank, part in enumerate(torch.randn(25, 5).tensor_split(3)[:2]):
        torch.save({"weight": part.clone()}, tmp_path / f"rank_{rank}_softmax_weight.pt")
    files = sorted(tmp_path.glob("*.pt"))
    with pytest.warns(UserWarning, match="2 ranks are read; whether a last one is missing cannot be seen"):
        assert migrate("insightface", files).head.num_classes == 17
    assert run("insightface", *files, "--num-classes", 25, "--out", tmp_path / "head.safetensors") == 2
    assert "shards have 17 classes together, but num_classes is 25: is one missing?" in capsys.readouterr().err


def test_the_command_for_the_other_sources(tmp_path):
    torch.save({"projection.weight": torch.randn(9, 5), "weight": torch.randn(3, 5)}, tmp_path / "model.pt")
    out = tmp_path / "head.safetensors"
    speakers = ["--loss", "add_margin", "--margin", 0.3, "--num-classes", 3, "--out", out]
    assert run("wespeaker", tmp_path / "model.pt", *speakers) == 0
    assert read_head(out).margin == CosFace(0.3, 32.0)
    assert run("oml", tmp_path / "model.pt", "--margin", 0.3, "--scale", 30, "--out", out) == 0
    assert read_head(out).margin == ArcFace(0.3, 30.0, "monotone")


BAD = [
    (
        ["oml", "loss.pt", "--loss", "ArcFaceLoss"],
        2,
        "loss is ArcFaceLoss, but oml takes no such setting; it takes scale",
    ),
    (["oml", "loss.pt", "loss.pt"], 2, "oml has one file, but 2 are given"),
    (["oml", "loss.pt", "--margin", "1", "0.5"], 2, "margin is 1 0.5, expected one number"),
    (["insightface", "loss.pt", "--margin", "0.5"], 2, "margin is 0.5, expected the three numbers of margin_list"),
    (["oml", "loss.pt"], 2, "found 0 tensors named weight"),
    (["oml", "no.pt"], 2, "there is no file no.pt"),
    (["pytorch-metric-learning", "evil.pt"], 2, "evil.pt was not read and nothing in it was executed"),
]


@pytest.mark.parametrize(("arguments", "code", "text"), BAD, ids=[text for _, _, text in BAD])
def test_bad_input_gives_one_line_and_no_file(arguments, code, text, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    torch.save({"W": torch.randn(5, 23)}, "loss.pt")
    torch.save({"W": Payload(tmp_path / "made")}, "evil.pt")
    assert run(*arguments) == code
    error = capsys.readouterr().err
    assert text in error
    assert len(error.strip().splitlines()) == 1
    assert {path.name for path in tmp_path.iterdir()} == {"loss.pt", "evil.pt"}


def test_a_head_that_differs_is_not_written(tmp_path, monkeypatch, capsys):
    torch.save({"W": torch.randn(5, 23)}, tmp_path / "loss.pt")
    monkeypatch.setattr("cones.migrate.Agreement.same", lambda self: False)
    assert run("pytorch-metric-learning", tmp_path / "loss.pt", "--out", tmp_path / "head.safetensors") == 1
    assert "differs from pytorch-metric-learning" in capsys.readouterr().err
    assert not (tmp_path / "head.safetensors").exists()


def test_help_says_which_unit_the_margin_has(capsys):
    assert run("--help") == 0
    assert "degrees for ArcFaceLoss" in " ".join(capsys.readouterr().out.replace("│", " ").split())


def test_a_head_with_a_part_of_its_classes_is_not_written(tmp_path):
    head = Head(2, 4, CosFace())
    head.num_classes = 8  # as where classes are shared by two processes
    with pytest.raises(ValueError, match=r"head has 4 rows for 8 classes: gather the rows of all processes first"):
        write_head(tmp_path / "head.safetensors", head)
    assert not list(tmp_path.iterdir())
