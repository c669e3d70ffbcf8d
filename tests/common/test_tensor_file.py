"""A flipped bit in any file of tensors that the package writes is an error that names the file."""

import json
import random

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import nn

import cones
from cones.common.tensor_file import DamagedError, read_tensors, write_tensors
from cones.data import DataError
from cones.migrate import WeightsError, read_head, read_weights, write_head
from cones.plots.runs._run import read_finished_run
from cones.protocols import Embeddings, read_embeddings, write_embeddings
from cones.training import CheckpointError, Position
from cones.training.checkpoint import load_checkpoint, load_weights, save_checkpoint, save_weights


def model() -> tuple[nn.Linear, nn.Linear, torch.optim.Optimizer]:
    torch.manual_seed(0)
    backbone, loss = nn.Linear(3, 2), nn.Linear(2, 2)
    optimizer = torch.optim.AdamW([*backbone.parameters(), *loss.parameters()])
    (backbone(torch.ones(1, 3)).sum() + loss(torch.ones(1, 2)).sum()).backward()
    optimizer.step()
    return backbone, loss, optimizer


def last(path):
    parts = model()
    save_checkpoint(path, *parts, Position(step=3))
    return lambda: load_checkpoint(path, *parts), CheckpointError


def best(path):
    backbone, loss, _ = model()
    save_weights(path, backbone, loss, Position(step=3))
    return lambda: load_weights(path, backbone), CheckpointError


def head(path):
    write_head(path, cones.Head(2, 3, cones.AdaFace(), bias=True))
    return lambda: read_head(path), WeightsError


def weights(path):
    write_head(path, cones.Head(2, 3, cones.Softmax()))
    return lambda: read_weights(path), WeightsError


def embeddings(path):
    write_embeddings(path, Embeddings(torch.eye(3), ("a", "b", "c"), torch.tensor([0, 1, 1]), ("0", "1")))
    return lambda: read_embeddings(path), DataError


def features(path):
    path = path.with_name("features.safetensors")
    for name, text in (("summary.json", "{}"), ("metrics.jsonl", ""), ("config.toml", "")):
        path.with_name(name).write_text(text)
    tensors = {f"{side}_features": torch.eye(2) for side in ("train", "test")}
    tensors |= {f"{side}_labels": torch.tensor([0, 1]) for side in ("train", "test")}
    metadata = {"margin": "CosFace()", "classes": json.dumps(["a", "b"])}
    write_tensors(path, tensors | {"weight": torch.eye(2)}, metadata)
    return lambda: read_finished_run(path.parent), ValueError


@pytest.mark.parametrize("write", [last, best, head, weights, embeddings, features])
def test_any_flipped_bit_is_refused(tmp_path, write):
    read, error = write(tmp_path / "some.safetensors")
    (path,) = tmp_path.glob("*.safetensors")
    whole = path.read_bytes()
    read()
    header = 8 + int.from_bytes(whole[:8], "little")
    chance = random.Random(0)
    places = chance.sample(range(8 * header), 100) + chance.sample(range(8 * header, 8 * len(whole)), 100)
    for place in places:
        broken = bytearray(whole)
        broken[place // 8] ^= 1 << place % 8
        path.write_bytes(broken)
        with pytest.raises(error, match=path.name) as raised:
            read()
        assert "\n" not in str(raised.value)
        assert len(str(raised.value)) < 400 + len(str(path))
    path.write_bytes(whole)
    read()


def test_every_bit_of_a_small_file(tmp_path):
    path = tmp_path / "a.safetensors"
    write_tensors(path, {"weight": torch.arange(3.0), "b": torch.tensor(True)}, {"format": "mine"})
    whole = path.read_bytes()
    for place in range(8 * len(whole)):
        broken = bytearray(whole)
        broken[place // 8] ^= 1 << place % 8
        path.write_bytes(broken)
        with pytest.raises(DamagedError):
            read_tensors(path)


@pytest.mark.parametrize(
    "dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16, torch.int64, torch.bool]
)
@pytest.mark.parametrize("shape", [(), (0,), (3, 0), (5,), (2, 3)])
def test_every_dtype_and_shape_comes_back(tmp_path, dtype, shape):
    values = torch.randn(shape).to(dtype)
    write_tensors(tmp_path / "a", {"a": values, "b": values}, {})
    tensors, metadata = read_tensors(tmp_path / "a")
    assert metadata == {}
    for name in ("a", "b"):
        assert tensors[name].dtype == dtype
        assert torch.equal(tensors[name], values)


def test_layouts_that_the_format_does_not_know(tmp_path):
    kernel = torch.randn(2, 3, 4, 4).to(memory_format=torch.channels_last)
    write_tensors(tmp_path / "a", {"kernel": kernel, "part": kernel[:, 0], "turned": kernel.mT}, {})
    tensors, _ = read_tensors(tmp_path / "a")
    assert torch.equal(tensors["kernel"], kernel)
    assert torch.equal(tensors["part"], kernel[:, 0])
    assert torch.equal(tensors["turned"], kernel.mT)


def test_the_damaged_tensor_is_named(tmp_path):
    path = tmp_path / "a"
    write_tensors(path, {"first": torch.zeros(4), "second": torch.zeros(4)}, {"x": "y"})
    tensors = load_file(path)
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata()
    for change, expected in (
        ({"first": torch.ones(4)}, "the tensor 'first' has checksum"),
        ({"first": torch.zeros(2, 2)}, "the tensor 'first' has checksum"),
        ({"first": torch.zeros(4, dtype=torch.int32)}, "the tensor 'first' has checksum"),
        ({"third": torch.zeros(4)}, "the tensor 'third' has checksum .*, expected None"),
    ):
        save_file({**tensors, **change}, path, metadata)
        with pytest.raises(DamagedError, match=expected):
            read_tensors(path)
    save_file(tensors, path, {**metadata, "x": "z"})
    with pytest.raises(DamagedError, match="the metadata has checksum"):
        read_tensors(path)


def test_files_without_checksums_are_read(tmp_path):
    save_file({"features": torch.eye(2)}, tmp_path / "others.safetensors")
    assert torch.equal(read_embeddings(tmp_path / "others.safetensors").features, torch.eye(2))
    backbone, loss, _ = model()
    save_weights(tmp_path / "a", backbone, loss, Position(step=3))
    tensors = load_file(tmp_path / "a")
    with safe_open(tmp_path / "a", framework="pt") as file:
        metadata = {name: text for name, text in file.metadata().items() if not name.startswith("checksum")}
    save_file(tensors, tmp_path / "a", metadata)
    assert load_weights(tmp_path / "a", backbone, loss).step == 3


@pytest.mark.parametrize("length", [0, 9, 5000, 20_000])
def test_a_file_that_is_cut_off_is_said_to_be(tmp_path, length):
    path = tmp_path / "a.safetensors"
    write_tensors(path, {"weight": torch.zeros(10_000)}, {"notes": "x" * 9000})
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(DamagedError, match="it is cut off"):
        read_tensors(path)


def test_an_error_of_writing_is_one_of_the_system(tmp_path):
    with pytest.raises(IsADirectoryError, match="Is a directory"):
        write_tensors(tmp_path, {"weight": torch.zeros(2)}, {})
