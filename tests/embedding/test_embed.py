"""The backbone of a run, and embeddings of tensors."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from cones.embedding import Model, embed, load_backbone
from cones.evaluation import combine_embeddings
from cones.training import CheckpointError, TrainingError, write_results
from cones.training.data import read_data
from tests.tiny_run import Precision, train


def pixels(count: int) -> torch.Tensor:
    return torch.randint(0, 256, (count, 1, 16, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def test_embeddings_are_the_features_of_the_run(run: Path, model: Model) -> None:
    write_results(run)
    images = read_data(model.run).test.inputs
    assert torch.equal(embed(model, images), load_file(run / "features.safetensors")["test_features"])
    assert repr(model) == f"Model(lenets, 1x16x16 to 3, epoch 1 of {run / 'last.safetensors'})"


@pytest.mark.parametrize("precision", ["bfloat16", "float64"])
def test_every_precision_gives_float32(tmp_path: Path, precision: Precision) -> None:
    model = load_backbone(train(tmp_path / precision, "lenets", precision), device="cpu")
    found = embed(model, pixels(3))
    assert found.dtype == torch.float32
    alone = torch.cat([embed(model, image[None]) for image in pixels(3)])
    torch.testing.assert_close(found, alone)  # nothing is rounded to bfloat16


def test_vectors(tmp_path: Path) -> None:
    model = load_backbone(train(tmp_path / "mlp", "mlp"), device="cpu")
    assert embed(model, torch.zeros(2, 6)).shape == (2, 3)
    with pytest.raises(ValueError, match=r"images is \(2, 5\) torch.float32, but .* was trained on \(N, 6\)"):
        embed(model, torch.zeros(2, 5))
    with pytest.raises(ValueError, match=r"flip is True, but .* was trained on vectors, which have no mirror image"):
        embed(model, torch.zeros(2, 6), flip=True)


def test_blocks_change_nothing(model: Model) -> None:
    images = pixels(7).repeat(90, 1, 1, 1)  # more than one block
    once = embed(model, images[:7])
    torch.testing.assert_close(embed(model, images), once.repeat(90, 1))
    assert embed(model, images[:0]).shape == (0, 3)
    assert embed(model, images, flip=True).shape == (630, 3)


def test_flip_adds_up_unit_features_of_both_views(model: Model) -> None:
    images = pixels(5)
    both = embed(model, images, flip=True)
    expected = combine_embeddings([embed(model, images), embed(model, images.flip(3))]).float()
    assert torch.equal(both, expected)
    torch.testing.assert_close(both, embed(model, images.flip(3), flip=True))
    torch.testing.assert_close(both.norm(dim=1), torch.ones(5))


def test_pixels_of_another_form_are_refused(model: Model) -> None:
    for images in (torch.zeros(2, 3, 16, 16, dtype=torch.uint8), torch.zeros(2, 1, 16, 16)):
        with pytest.raises(ValueError, match=r"images is .* was trained on \(N, 1, 16, 16\) torch.uint8: resize"):
            embed(model, images)


def test_best_and_last_are_different_files(run: Path) -> None:
    assert load_backbone(run, "best", device="cpu").weights == run / "best.safetensors"
    with pytest.raises(ValueError, match="which is 'first', expected one of last, best"):
        load_backbone(run, "first")  # type: ignore[arg-type]


def test_loading_leaves_the_random_numbers_alone(run: Path) -> None:
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    load_backbone(run, device="cpu")
    assert torch.equal(torch.rand(2), expected)


def copy_of(run: Path, folder: Path) -> Path:
    folder.mkdir()
    for name in ("config.toml", "input.json", "last.safetensors"):
        (folder / name).write_bytes((run / name).read_bytes())
    return folder


def test_a_run_needs_no_data(run: Path, model: Model, tmp_path: Path) -> None:
    folder = copy_of(run, tmp_path / "copy")
    text = (folder / "config.toml").read_text()
    (folder / "config.toml").write_text(text.replace(model.run.data, "npz:gone.npz"))
    assert torch.equal(embed(load_backbone(folder, device="cpu"), pixels(2)), embed(model, pixels(2)))


def test_a_run_from_before_input_json_reads_its_data(run: Path, model: Model, tmp_path: Path) -> None:
    folder = copy_of(run, tmp_path / "copy")
    (folder / "input.json").unlink()
    assert load_backbone(folder, device="cpu").input == model.input
    (folder / "input.json").write_text(json.dumps({"shape": 3}))
    with pytest.raises(ValueError, match=r"input.json is broken .*: delete it, and it is recreated"):
        load_backbone(folder)


def test_missing_and_broken_runs_are_named(run: Path, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no is not the folder of a run \(there is no file .*config.toml\)"):
        load_backbone(tmp_path / "no")
    with pytest.raises(TrainingError, match="device is 'nowhere'"):
        load_backbone(run, device="nowhere")
    folder = copy_of(run, tmp_path / "copy")
    with pytest.raises(CheckpointError, match=r"there is no file .*best.safetensors, expected a checkpoint"):
        load_backbone(folder, "best")
    (folder / "last.safetensors").write_bytes(b"junk")
    with pytest.raises(CheckpointError, match=r"last.safetensors is broken"):
        load_backbone(folder)
    save_file({"backbone.weight": torch.zeros(1)}, folder / "last.safetensors", {"format": "other"})
    with pytest.raises(CheckpointError, match=r"was not written by this trainer"):
        load_backbone(folder)
    (folder / "last.safetensors").write_bytes((run / "last.safetensors").read_bytes())
    (folder / "input.json").write_text(json.dumps({"shape": [1, 20, 20], "num_classes": 4}))
    with pytest.raises(CheckpointError, match=r"holds another model than the configuration names"):
        load_backbone(folder)


def test_the_model_is_a_value(model: Model) -> None:
    assert replace(model, dim=4).dim == 4
    assert not model.backbone.training
