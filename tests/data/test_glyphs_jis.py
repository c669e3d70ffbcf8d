"""The sets of kanji, with Latin letters in their place and the fonts of matplotlib in that of the packages."""

import json
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch

from cones.data import DataError, load, named
from cones.data import _glyphs_jis as jis
from cones.data._glyphs import draw
from cones.data._package import NotFound, Package, download
from tests.glyph_fonts import FONTS, LETTERS, face, folder_of


@pytest.fixture
def latin(monkeypatch: pytest.MonkeyPatch) -> None:
    """Letters in the place of kanji."""
    monkeypatch.setattr(jis, "KANJI", LETTERS)


def test_the_kanji_are_those_of_level_1() -> None:
    assert len(jis.KANJI) == len(set(jis.KANJI)) == 2965
    assert (jis.KANJI[0], jis.KANJI[-1]) == ("亜", "腕")
    assert {"日", "本", "語"} < set(jis.KANJI)
    assert "弌" not in jis.KANJI  # the first of level 2


@pytest.mark.usefixtures("latin")
def test_a_folder_of_fonts_is_split_by_character(fonts: Path, tmp_path: Path) -> None:
    root = tmp_path / "root"
    first, same, other = (load(f"glyphs:{fonts}", root=root, seed=seed) for seed in (0, 0, 1))
    assert first.kind == "identity"
    assert (first.train.num_classes, first.test.num_classes) == (42, 20)  # 2000 and 965 of 2965, of 62
    assert not set(first.train.classes) & set(first.test.classes)
    assert set(first.train.classes) | set(first.test.classes) == set(LETTERS)
    assert torch.bincount(first.test.labels).tolist() == [4] * 20
    assert first.test.classes == same.test.classes
    assert torch.equal(first.train.inputs, same.train.inputs)
    assert first.test.classes != other.test.classes
    assert len(list((root / "glyphs").iterdir())) == 2
    assert load(f"glyphs:{fonts}", root=root, split="sample").kind == "sample"


@pytest.mark.usefixtures("latin")
def test_a_folder_is_drawn_anew_at_another_size_or_with_other_fonts(fonts: Path, tmp_path: Path) -> None:
    root = tmp_path / "root"
    assert load(f"glyphs:{fonts}", root=root).train.inputs.shape[1:] == (1, 32, 32)
    assert load(f"glyphs:{fonts}", root=root, image_size=48).train.inputs.shape[1:] == (1, 48, 48)
    folder_of(fonts, e="cmr10.ttf")
    assert torch.bincount(load(f"glyphs:{fonts}", root=root).test.labels).tolist() == [5] * 20
    assert len(list((root / "glyphs").glob("*.npz"))) == 3


def test_fonts_without_kanji_are_named(fonts: Path, tmp_path: Path) -> None:
    match = r"holds 4 fonts .* none draws half or more of the 2965 characters, such as 亜; a.ttf draws 0 of 64 char"
    with pytest.raises(DataError, match=match):
        load(f"glyphs:{fonts}", root=tmp_path)
    with pytest.raises(DataError, match="nowhere is not a folder; expected one with font files"):
        load(f"glyphs:{tmp_path}/nowhere", root=tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="empty holds 0 fonts"):
        load(f"glyphs:{tmp_path}/empty", root=tmp_path)
    with pytest.raises(ValueError, match=r"expected a path after glyphs:"):
        load("glyphs:", root=tmp_path)


NAMES = ("cmr10", "cmtt10", "DejaVuSans", "DejaVuSerif", "STIXGeneralItalic", "cmb10")


@pytest.fixture
def debian(monkeypatch: pytest.MonkeyPatch) -> None:
    """A release with six packages of one font each, of which it lacks the last."""

    def bring(package: Package, folder: Path) -> Path:
        name = package.requirement
        if name == NAMES[-1]:
            raise NotFound(f"E: Unable to locate package {name}")
        archive = folder / f"{name}_1%3a2.0-1_all.tgz"
        with tarfile.open(archive, "w:gz") as tar:
            tar.add(FONTS / f"{name}.ttf", f"./usr/share/fonts/{name}.ttf")
            tar.add(FONTS / "LICENSE_STIX", "./usr/share/doc/copyright")
        return archive

    monkeypatch.setattr(jis, "PACKAGES", NAMES)
    monkeypatch.setattr(jis, "download", bring)


@pytest.mark.usefixtures("latin", "debian")
def test_the_packages_are_fetched_and_drawn_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not {known.name for known in named(tmp_path) if known.on_disk} & {"glyphs-jis", "glyphs-jis-fonts"}
    splits = load("glyphs-jis", root=tmp_path)
    assert (splits.kind, splits.train.num_classes, splits.test.num_classes) == ("identity", 42, 20)
    assert {known.name for known in named(tmp_path) if known.on_disk} >= {"glyphs-jis", "glyphs-jis-fonts"}
    assert sorted(file.name for file in (tmp_path / "glyphs-jis").iterdir()) == ["glyphs-32.json", "glyphs-32.npz"]
    about = json.loads((tmp_path / "glyphs-jis" / "glyphs-32.json").read_text(encoding="utf-8"))
    assert about["packages_not_found"] == [NAMES[-1]]
    assert {line["source"]: line["version"] for line in about["designs"]} == dict.fromkeys(NAMES[:-1], "1:2.0-1")
    monkeypatch.delattr(jis, "download")  # nothing is fetched again
    again = load("glyphs-jis", root=tmp_path)
    assert torch.equal(again.test.inputs, splits.test.inputs)
    assert load("glyphs-jis-fonts", root=tmp_path).kind == "identity"


@pytest.mark.usefixtures("latin", "debian")
def test_the_harder_split_tests_unseen_characters_in_unseen_fonts(tmp_path: Path) -> None:
    plain, hard = (load(name, root=tmp_path) for name in ("glyphs-jis", "glyphs-jis-fonts"))
    assert hard.test.classes == plain.test.classes
    assert hard.train.classes == plain.train.classes
    assert torch.bincount(hard.test.labels).tolist() == [1] * 20  # a fifth of five designs
    assert torch.bincount(hard.train.labels).tolist() == [4] * 42
    # The fonts drawn again: each side's pictures are exactly those of its own.
    by_font = {name: draw(face(f"{name}.ttf"), hard.test.classes, 32).pictures for name in NAMES[:-1]}
    (unseen,) = (name for name, pictures in by_font.items() if np.array_equal(pictures, hard.test.inputs[:, 0].numpy()))
    seen = {picture.tobytes() for picture in hard.train.inputs[:, 0].numpy()}
    assert not seen & {picture.tobytes() for picture in draw(face(f"{unseen}.ttf"), LETTERS, 32).pictures}
    assert torch.equal(load("glyphs-jis-fonts", root=tmp_path, seed=1).test.inputs, hard.test.inputs)


def test_families_are_held_out_whole() -> None:
    sources = ["a", "a", "b", "c", "d", "e", "fonts-migmix", "fonts-mplus", "fonts-klee", "fonts-lxgw-wenkai"] * 3
    held = jis._held_out(sources)
    assert 0 < int(held.sum()) <= 6
    sides = {source: {bool(held[i]) for i, other in enumerate(sources) if other == source} for source in sources}
    assert all(len(side) == 1 for side in sides.values())
    assert sides["fonts-migmix"] == sides["fonts-mplus"]
    assert sides["fonts-klee"] == sides["fonts-lxgw-wenkai"]


@pytest.mark.usefixtures("latin", "debian")
def test_it_says_when_no_package_is_known_or_the_client_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jis, "PACKAGES", NAMES[-1:])
    with pytest.raises(
        DataError, match=r"it finds none of them; are its package lists up to date \(apt-get update\).*glyphs:FOL"
    ):
        load("glyphs-jis", root=tmp_path)
    monkeypatch.setattr(jis, "download", download)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(
        DataError, match=r"^glyphs-jis cannot be fetched with apt-get .*: apt-get is not installed; fix"
    ):
        load("glyphs-jis", root=tmp_path)
    assert list((tmp_path / "glyphs-jis").iterdir()) == []


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        ("E: Unable to locate package fonts-toy", NotFound),
        ("E: Can't select candidate version from package fonts-toy as it has no candidate", NotFound),
        ("E: Failed to fetch it: connection refused", DataError),
    ],
)
def test_a_package_that_is_not_there_is_told_from_a_failure(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, words: str, kind: type[DataError]
) -> None:
    client = tmp_path / "apt-get"
    client.write_text(f'#!/bin/sh\necho "{words}" >&2\nexit 100\n')
    client.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin")
    with pytest.raises(DataError, match="apt-get failed with exit status 100") as caught:
        download(Package("apt-get", "fonts-toy"), tmp_path)
    assert caught.type is kind


@pytest.mark.slow
def test_the_real_fonts_draw_the_real_kanji(tmp_path: Path) -> None:
    splits = load("glyphs-jis", root=tmp_path)
    assert (splits.train.num_classes, splits.test.num_classes) == (2000, 965)
    assert splits.train.inputs.shape[1:] == (1, 32, 32)
    about = json.loads((tmp_path / "glyphs-jis" / "glyphs-32.json").read_text(encoding="utf-8"))
    assert len(about["designs"]) >= 30
    assert sum(line["glyphs"] for line in about["designs"]) == len(splits.train) + len(splits.test) > 85000
    assert all(line["version"] and line["glyphs"] > 1482 for line in about["designs"])
    # Most designs are nearer to the mean of their own character than to the mean of any other.
    every = splits.test.inputs.flatten(1).float()
    every = torch.nn.functional.normalize(every - every.mean(1, keepdim=True))
    sums = torch.zeros(965, every.shape[1]).index_add_(0, splits.test.labels, every)
    nearest = (every @ torch.nn.functional.normalize(sums).T).argmax(1)
    assert (nearest == splits.test.labels).float().mean() > 0.8
    hard = load("glyphs-jis-fonts", root=tmp_path)
    assert hard.test.classes == splits.test.classes
    assert len(hard.test) <= 0.2 * 965 * len(about["designs"])
