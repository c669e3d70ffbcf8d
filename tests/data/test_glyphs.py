"""Drawing characters, choosing designs, and keeping what was drawn."""

import shutil
import struct
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw, ImageFont

from cones.data import DataError
from cones.data import _rendering as rendering
from cones.data._designs import SAME_DESIGN, judge
from cones.data._fonts import find_faces
from cones.data._glyphs import draw
from tests.glyph_fonts import FONTS, LETTERS, face, folder_of


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
        rendering.kept(path, partial(rendering.render, folder, LETTERS, 32, {}))
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
    with pytest.raises(
        DataError, match=r"kept.json is damaged \(Expecting value.*\); delete it to have it drawn again"
    ):
        rendering.kept(path, unwanted)


def test_half_of_it_is_drawn_anew(fonts: Path, tmp_path: Path) -> None:
    path = tmp_path / "kept.npz"
    path.write_bytes(b"the process was killed before the list was written")
    assert len(rendering.kept(path, lambda: rendering.render(fonts, LETTERS, 32, {})).images) == 4 * 62
