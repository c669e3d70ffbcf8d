"""Skipped files are reported, and readable ones are read."""

import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest
import torch
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile

from cones.data import DataError, Dataset, load, load_whole, read_flat_folder
from cones.data import _glyphs_jis as jis
from cones.data.formats import readable

Draw = Callable[..., Path]


def files(spec: str) -> tuple[str, ...]:
    found = load_whole(spec)
    assert isinstance(found, Dataset)
    return found.files or ()


@pytest.fixture
def people(draw: Draw, tmp_path: Path) -> Path:
    """Two people with two pictures each."""
    for name in ("ann/0.png", "ann/1.png", "bob/0.png", "bob/1.png"):
        draw(f"people/{name}")
    return tmp_path / "people"


def test_a_whole_folder_is_read_without_a_word(people: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (people / ".DS_Store").write_text("hidden")
    assert len(files(f"folder:{people}")) == 4
    assert capsys.readouterr().err == ""


def test_all_that_is_left_out_is_one_line(people: Path, draw: Draw, capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(4):
        draw(f"people/ann/2019/{number}.png")
    draw("people/loose.png")
    (people / "ann" / "gone.jpg").symlink_to(people / "nowhere.jpg")
    (people / "bob" / "2.heic").write_bytes(b"a phone's picture")
    (people / "bob" / "3.nef").write_bytes(b"a camera's picture")
    (people / "notes\x1b[31m.txt").write_text("no picture")
    expected = (
        "9 files passed over: 1 beside the class folders (loose.png); 4 in folders below a class folder, which "
        "nested:PATH reads (ann/2019/0.png, ann/2019/1.png, ann/2019/2.png, ...); 1 not named as a picture "
        "(notes\\x1b[31m.txt); 1 broken link (ann/gone.jpg); 1 .heic, which Pillow cannot read here until you pip "
        "install pillow-heif (bob/2.heic); 1 .nef, which Pillow cannot read (bob/3.nef)"
    )
    assert files(f"folder:{people}") == ("ann/0.png", "ann/1.png", "bob/0.png", "bob/1.png")
    assert capsys.readouterr().err == f"cones: folder:{people}: {expected}\n"
    load(f"folder:{people}")
    assert capsys.readouterr().err == "", "the same line is printed once"


def test_nested_pictures_belong_to_the_class_above_them(
    people: Path, draw: Draw, capsys: pytest.CaptureFixture[str]
) -> None:
    draw("people/ann/2019/winter/0.png")
    (people / "ann" / "2019" / "loop").symlink_to(people / "ann", target_is_directory=True)
    found = load_whole(f"nested:{people}")
    assert found.files == ("ann/0.png", "ann/1.png", "ann/2019/winter/0.png", "bob/0.png", "bob/1.png")
    assert found.classes == ("ann", "bob")
    assert found.labels.tolist() == [0, 0, 0, 1, 1]
    assert "1 file passed over: 1 link to a folder around it (ann/2019/loop)" in capsys.readouterr().err


def test_nested_pictures_alone_are_refused_with_both_ways_on(draw: Draw, tmp_path: Path) -> None:
    draw("faces/all/ann/0.png")
    draw("faces/all/bob/0.png")
    match = r"holds no image right in it, but 2 in folders below: nested:.*faces takes .*, folder:.*faces/all takes"
    with pytest.raises(DataError, match=match):
        load_whole(f"folder:{tmp_path}/faces")
    assert load_whole(f"folder:{tmp_path}/faces/all").classes == ("ann", "bob")


def test_a_class_of_pictures_that_cannot_be_read_names_them(people: Path) -> None:
    (people / "cid").mkdir()
    (people / "cid" / "0.HEIC").write_bytes(b"a phone's picture")
    with pytest.raises(DataError, match=r"cid holds no image but .heic, which Pillow cannot read here until you pip"):
        load(f"folder:{people}")


@pytest.mark.parametrize("suffix", [".jfif", ".jpe", ".JPEG", ".avif", ".jp2", ".tga", ".pcx"])
def test_every_suffix_that_pillow_reads_is_read(people: Path, suffix: str) -> None:
    if suffix.lower() not in readable():
        pytest.fail(f"this Pillow has no reader for {suffix}")
    Image.new("L", (6, 6), 128).save(people / "ann" / f"2{suffix}")
    assert f"ann/2{suffix}" in files(f"folder:{people}")


@pytest.fixture
def heif(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A plugin like pillow-heif, whose files are JPEG inside."""
    plugin = ModuleType("pillow_heif")

    def register_heif_opener() -> None:
        Image.register_open("HEIF", JpegImageFile, lambda start: start.startswith(b"\xff\xd8"))
        Image.register_extension("HEIF", ".heic")

    vars(plugin)["register_heif_opener"] = register_heif_opener
    monkeypatch.setitem(sys.modules, "pillow_heif", plugin)
    readable.cache_clear()
    yield
    del Image.OPEN["HEIF"], Image.EXTENSION[".heic"]
    Image.ID.remove("HEIF")
    readable.cache_clear()


@pytest.mark.usefixtures("heif")
def test_pictures_of_a_plugin_are_read(people: Path) -> None:
    Image.new("L", (6, 6)).save(people / "ann" / "2.jpg")
    (people / "ann" / "2.jpg").rename(people / "ann" / "2.heic")
    assert "ann/2.heic" in files(f"folder:{people}")


@pytest.mark.parametrize("test", ["test", "Test", "testing", "val", "valid", "validation"])
def test_train_and_one_other_side_are_the_given_split(people: Path, tmp_path: Path, test: str) -> None:
    for side in ("train", test):
        shutil.copytree(people, tmp_path / "set" / side)
    splits = load(f"folder:{tmp_path}/set")
    assert splits.kind == "given"
    assert splits.test.files == tuple(f"{test}/{name}" for name in ("ann/0.png", "ann/1.png", "bob/0.png", "bob/1.png"))


def test_of_three_sides_val_is_told(people: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for side in ("train", "val", "test"):
        shutil.copytree(people, tmp_path / "set" / side)
    shutil.copy(people / "ann" / "0.png", tmp_path / "set" / "test" / "loose.png")
    splits = load(f"folder:{tmp_path}/set")
    assert (splits.kind, len(splits.train), len(splits.test)) == ("given", 4, 4)
    error = capsys.readouterr().err
    assert "5 files passed over: 1 beside the class folders (test/loose.png); 4 neither in train nor in test" in error


def test_a_test_side_without_class_folders_gives_way_to_val(people: Path, tmp_path: Path) -> None:
    for side in ("train", "val"):
        shutil.copytree(people, tmp_path / "set" / side)
    shutil.copytree(people / "ann", tmp_path / "set" / "test")
    assert (load(f"folder:{tmp_path}/set").test.files or ("",))[0] == "val/ann/0.png"


def test_val_of_a_csv_file_is_test_where_there_is_none(people: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = ["ann/0.png,ann,train", "bob/0.png,bob,train", "ann/1.png,ann,val"]
    (people / "list.csv").write_text("\n".join(lines))
    assert load(f"csv:{people}/list.csv").test.files == ("ann/1.png",)
    (people / "list.csv").write_text("\n".join([*lines, "bob/1.png,bob,test"]))
    assert load(f"csv:{people}/list.csv").test.files == ("bob/1.png",)
    assert "1 file passed over: 1 neither in train nor in test (ann/1.png)" in capsys.readouterr().err


def test_broken_links_of_a_csv_file_are_called_so(people: Path) -> None:
    (people / "gone.png").symlink_to(people / "nowhere.png")
    (people / "list.csv").write_text("ann/0.png,ann\ngone.png,bob\n")
    with pytest.raises(DataError, match=r"line 2 of .* .*gone.png is a broken link"):
        load(f"csv:{people}/list.csv")


def test_a_picture_in_an_unreadable_format_says_so_in_a_list(people: Path) -> None:
    (people / "ann" / "2.heic").write_bytes(b"a phone's picture")
    (people / "list.csv").write_text("ann/0.png,ann\nann/2.heic,bob\n")
    with pytest.raises(
        DataError, match=r"2.heic cannot be read: its name ends in .heic, which Pillow cannot read here"
    ):
        load(f"csv:{people}/list.csv")


def test_a_flat_folder_tells_of_folders_below_and_can_read_them(
    draw: Draw, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("a.png", "b.png", "more/c.png"):
        draw(f"flat/{name}")
    images, names = read_flat_folder(tmp_path / "flat", None)
    assert (len(images), names) == (2, ("a.png", "b.png"))
    assert "1 file passed over: 1 in folders below it, which nested:" in capsys.readouterr().err
    images, names = read_flat_folder(tmp_path / "flat", None, nested=True)
    assert (len(images), names) == (3, ("a.png", "b.png", "more/c.png"))
    assert capsys.readouterr().err == ""


def test_fonts_that_are_not_drawn_are_told(
    fonts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(jis, "KANJI", tuple("abcdefghijklmnopqrstuvwxyz"))
    shutil.copy(fonts / "a.ttf", fonts / "again.ttf")
    (fonts / "b.woff2").write_bytes(b"a font of the web")
    (fonts / "gone.ttf").symlink_to(fonts / "nowhere.ttf")
    found = load_whole(f"glyphs:{fonts}", root=tmp_path / "root")
    assert torch.bincount(found.labels).tolist() == [4] * 26
    assert capsys.readouterr().err == (
        f"cones: glyphs:{fonts}: 3 files passed over: 1 looks like a.ttf (correlation 1.000) (again.ttf); 1 neither "
        ".ttf, .otf, .ttc nor .otc (b.woff2); 1 broken link (gone.ttf)\n"
    )
