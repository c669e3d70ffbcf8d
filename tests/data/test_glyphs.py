"""Drawing characters, choosing designs, and the sets made of them: with the fonts that matplotlib brings."""

import json
import shutil
import string
import struct
import tarfile
from collections.abc import Sequence
from pathlib import Path

import matplotlib
import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw, ImageFont

from cones.data import DataError, load, named
from cones.data import _glyphs_jis as jis
from cones.data import _rendering as rendering
from cones.data._designs import SAME_DESIGN, judge
from cones.data._fonts import Face, find_faces
from cones.data._glyphs import draw
from cones.data._package import NotFound, Package, download

FONTS = Path(matplotlib.get_data_path(), "fonts", "ttf")
LETTERS = tuple(string.ascii_letters + string.digits)


def face(name: str) -> Face:
    return Face("", FONTS / name, "", 0)


def folder_of(folder: Path, **names: str) -> Path:
    """A folder with a font of matplotlib under each name."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, font in names.items():
        shutil.copy(FONTS / font, folder / f"{name}.ttf")
    return folder


@pytest.fixture
def fonts(tmp_path: Path) -> Path:
    return folder_of(
        tmp_path / "fonts", a="DejaVuSans.ttf", b="DejaVuSerif.ttf", c="cmtt10.ttf", d="STIXGeneralItalic.ttf"
    )


def collection(path: Path, names: Sequence[str]) -> Path:
    """Write the fonts `names` one behind the other into one .ttc file."""
    start = 12 + 4 * len(names)
    starts, bodies = [], b""
    for name in names:
        font = bytearray((FONTS / name).read_bytes())
        starts.append(start + len(bodies))
        for table in range(struct.unpack_from(">H", font, 4)[0]):
            place = 12 + 16 * table + 8  # of the table's offset, which counts from the start of the file
            struct.pack_into(">I", font, place, struct.unpack_from(">I", font, place)[0] + starts[-1])
        bodies += bytes(font) + bytes(-len(font) % 4)
    path.write_bytes(struct.pack(f">4sII{len(names)}I", b"ttcf", 0x10000, len(names), *starts) + bodies)
    return path


# Drawing.


@pytest.mark.parametrize("size", [16, 28, 32, 64])
def test_ink_fits_its_square_and_is_centred(size: int) -> None:
    sheet = draw(face("DejaVuSans.ttf"), LETTERS, size)
    assert sheet.pictures.shape == (62, size, size)
    assert sheet.places.tolist() == list(range(62))
    assert sheet.left_out == {}
    margin = size // 16
    for picture in sheet.pictures:
        rows, columns = (np.flatnonzero(picture.max(axis=axis)) for axis in (1, 0))
        extent = max(np.ptp(rows), np.ptp(columns)) + 1
        assert size - 2 * margin - 1 <= extent <= size - 2 * margin + 2  # the resizing filter blurs the edge
        for ends in (rows, columns):
            assert abs(ends[0] + ends[-1] - (size - 1)) <= 2
        assert picture.max() > 200


def test_the_shape_is_the_fonts() -> None:
    font = ImageFont.truetype(str(FONTS / "DejaVuSans.ttf"), 200)
    image = Image.new("L", (400, 400))
    ImageDraw.Draw(image).text((100, 50), "R", fill=255, font=font)
    box = image.getbbox()
    assert box is not None
    width, height = box[2] - box[0], box[3] - box[1]
    expected = np.zeros((32, 32))
    narrow = round(28 * width / height)
    left = (32 - narrow) // 2
    expected[2:30, left : left + narrow] = np.asarray(image.crop(box).resize((narrow, 28), Image.Resampling.BOX))
    (picture,) = draw(face("DejaVuSans.ttf"), ["R"], 32).pictures
    assert np.corrcoef(picture.ravel(), expected.ravel())[0, 1] > 0.97


def test_blank_and_missing_characters_are_left_out() -> None:
    characters = ["a", " ", "\u2003", "亜", "b", "\u0379"]  # two spaces, and two that DejaVu draws as a box
    sheet = draw(face("DejaVuSans.ttf"), characters, 32)
    assert sheet.places.tolist() == [0, 4]
    assert sheet.left_out == {"blank": 2, "missing": 2}


def test_a_drawing_of_many_characters_is_a_stand_in() -> None:
    # This font has a glyph for every code point, and all of one script look alike.
    sheet = draw(face("LastResortHE-Regular.ttf"), LETTERS, 32)
    assert sheet.left_out == {"shared": 62}
    assert sheet.pictures.shape == (0, 32, 32)


def test_the_same_font_draws_the_same_bytes() -> None:
    first, second = (draw(face("DejaVuSerif.ttf"), LETTERS, 32).pictures.tobytes() for _ in range(2))
    assert first == second


# Fonts and designs.


def test_the_faces_of_a_collection_are_found(tmp_path: Path) -> None:
    collection(tmp_path / "two.ttc", ["DejaVuSans.ttf", "DejaVuSerif.ttf"])
    faces = find_faces(tmp_path)
    assert [found.name for found in faces] == ["two.ttc", "two.ttc#1"]
    for found, name in zip(faces, ["DejaVuSans.ttf", "DejaVuSerif.ttf"], strict=True):
        assert np.array_equal(draw(found, LETTERS, 32).pictures, draw(face(name), LETTERS, 32).pictures)
    assert [verdict.dropped for verdict in judge(faces, LETTERS)] == ["", ""]


def test_fonts_are_found_at_any_depth_in_order(tmp_path: Path) -> None:
    folder_of(tmp_path / "z" / "deep", b="DejaVuSans.ttf")
    folder_of(tmp_path / "a", c="DejaVuSerif.ttf")
    (tmp_path / "a" / "readme.txt").write_text("no font")
    assert [(found.source, found.name) for found in find_faces(tmp_path)] == [("a", "c.ttf"), ("z/deep", "b.ttf")]


def test_a_second_copy_of_a_design_is_dropped(fonts: Path) -> None:
    folder_of(fonts, e="DejaVuSans.ttf")
    verdicts = judge(find_faces(fonts), LETTERS)
    assert [verdict.dropped for verdict in verdicts] == ["", "", "", "", "looks like a.ttf (correlation 1.000)"]


def test_likeness_is_the_mean_correlation_of_the_pictures() -> None:
    pair = [face("DejaVuSans.ttf"), face("DejaVuSansMono.ttf")]
    first, second = (draw(one, LETTERS, 32).pictures.reshape(62, -1).astype(np.float64) for one in pair)
    alike = np.mean([np.corrcoef(a, b)[0, 1] for a, b in zip(first, second, strict=True)])
    dropped = judge(pair, LETTERS)[1].dropped
    assert dropped == (f"looks like DejaVuSans.ttf (correlation {alike:.3f})" if alike > SAME_DESIGN else "")


def test_what_draws_too_little_or_is_no_font_is_dropped(fonts: Path) -> None:
    (fonts / "e.ttf").write_bytes(b"no font")
    (fonts / "f.ttc").write_bytes(b"ttcf" + b"\xff" * 20)
    folder_of(fonts, g="STIXSizThreeSymReg.ttf", h="LastResortHE-Regular.ttf")
    dropped = [verdict.dropped for verdict in judge(find_faces(fonts), LETTERS)]
    assert dropped[:4] == [""] * 4
    assert all(why.startswith("cannot be read (") for why in dropped[4:6])
    assert dropped[6].startswith("draws 0 of 62 characters (")
    assert dropped[7] == "draws 0 of 62 characters (62 shared)"


# Kept on the disk.


def test_the_same_fonts_give_the_same_files(fonts: Path, tmp_path: Path) -> None:
    moved = shutil.copytree(fonts, tmp_path / "moved")
    paths = [tmp_path / "1.npz", tmp_path / "2.npz"]
    for path, folder in zip(paths, (fonts, moved), strict=True):
        rendering.kept(path, lambda folder=folder: rendering.render(folder, LETTERS, 32, {}))  # type: ignore[misc]
    assert paths[0].read_bytes() == paths[1].read_bytes()
    assert paths[0].with_suffix(".json").read_bytes() == paths[1].with_suffix(".json").read_bytes()


def test_the_list_says_what_drew(fonts: Path) -> None:
    folder_of(fonts / "sub", e="DejaVuSans.ttf", f="cmr10.ttf")
    drawn = rendering.render(fonts, (*LETTERS, " "), 32, {"sub": "1.2-3"})
    lines = {line["design"]: line for line in drawn.about["designs"]}
    assert list(lines) == ["a.ttf", "b.ttf", "c.ttf", "d.ttf", "f.ttf"]
    assert lines["a.ttf"]["glyphs"] == 62
    assert lines["a.ttf"]["left_out"] == {"blank": 1}
    assert (lines["f.ttf"]["source"], lines["f.ttf"]["version"]) == ("sub", "1.2-3")
    (dropped,) = drawn.about["dropped"]
    assert dropped["design"] == "e.ttf"
    assert dropped["sha256"] == lines["a.ttf"]["sha256"]
    assert torch.bincount(drawn.designs).tolist() == [line["glyphs"] for line in lines.values()]
    assert drawn.images.shape == (len(drawn.labels), 1, 32, 32)


def unwanted() -> rendering.Rendering:
    raise AssertionError("drawn again")


def test_what_is_kept_is_not_drawn_again(fonts: Path, tmp_path: Path) -> None:
    path = tmp_path / "root" / "kept.npz"
    first = rendering.kept(path, lambda: rendering.render(fonts, LETTERS, 32, {}))
    second = rendering.kept(path, unwanted)
    for name in ("images", "labels", "designs"):
        assert torch.equal(getattr(first, name), getattr(second, name))
    assert sorted(file.name for file in path.parent.iterdir()) == ["kept.json", "kept.npz"]


def test_damage_is_named_and_mended_only_on_demand(fonts: Path, tmp_path: Path) -> None:
    path = tmp_path / "kept.npz"
    drawn = rendering.render(fonts, LETTERS, 32, {})
    rendering.kept(path, lambda: drawn)
    right = path.read_bytes()
    for wrong in (right[:-100], right[:5000] + bytes([right[5000] ^ 1]) + right[5001:]):
        path.write_bytes(wrong)
        with pytest.raises(DataError, match=rf"^{path} is truncated or altered: it has sha256 \w+, .*; delete it to"):
            rendering.kept(path, unwanted)
        assert path.read_bytes() == wrong
    path.unlink()
    assert torch.equal(rendering.kept(path, lambda: drawn).images, drawn.images)
    assert path.read_bytes() == right
    path.with_suffix(".json").write_text('{"sha256": ')
    with pytest.raises(DataError, match=r"kept.json is damaged \(JSONDecodeError.*\); delete it to have it drawn anew"):
        rendering.kept(path, unwanted)


def test_half_of_it_is_drawn_anew(fonts: Path, tmp_path: Path) -> None:
    path = tmp_path / "kept.npz"
    path.write_bytes(b"the process was killed before the list was written")
    assert len(rendering.kept(path, lambda: rendering.render(fonts, LETTERS, 32, {})).images) == 4 * 62


# The sets.


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
    monkeypatch.setattr(jis, "download", unwanted)
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
        DataError, match=r"it knows none of them; does it have its lists \(apt-get update\).*glyphs:FOL"
    ):
        load("glyphs-jis", root=tmp_path)
    monkeypatch.setattr(jis, "download", download)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(
        DataError, match=r"^glyphs-jis cannot be fetched with apt-get .*: apt-get is not installed; mend"
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
