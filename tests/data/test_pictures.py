from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from cones.data import DataError
from cones.data.pictures import read_pictures, resized, with_channels

Draw = Callable[..., Path]


def test_grey_stays_grey_to_the_byte(draw: Draw) -> None:
    paths = [draw("a.png", 7, 5), draw("b.pgm", 7, 5), draw("c.bmp", 7, 5)]
    images = read_pictures("toy", paths, None)
    assert images.shape == (3, 1, 5, 7)
    for image, path in zip(images, paths, strict=True):
        assert np.array_equal(image[0].numpy(), np.asarray(Image.open(path)))


def test_one_colour_image_makes_all_colour(draw: Draw) -> None:
    grey, colour = draw("a.png"), draw("b.png", mode="RGB")
    images = read_pictures("toy", [grey, colour], None)
    assert images.shape == (2, 3, 6, 6)
    assert images.is_contiguous()
    assert np.array_equal(images[0, 2].numpy(), np.asarray(Image.open(grey)))
    assert np.array_equal(images[1].permute(1, 2, 0).numpy(), np.asarray(Image.open(colour)))


def test_the_orientation_that_a_camera_noted_is_applied(tmp_path: Path) -> None:
    pixels = np.zeros((4, 6), dtype=np.uint8)
    pixels[0] = 255
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned a quarter clockwise
    Image.fromarray(pixels).save(tmp_path / "a.png", exif=exif)
    image = read_pictures("toy", [tmp_path / "a.png"], None)[0, 0]
    assert image.shape == (6, 4)
    assert bool((image[:, -1] == 255).all())
    assert int(image[:, :-1].max()) == 0


@pytest.mark.parametrize("name", ["a.png", "a.pgm", "a.tif"])
def test_sixteen_bits_become_eight_without_clipping(tmp_path: Path, name: str) -> None:
    Image.fromarray(np.array([[0, 255, 256, 65535]], dtype=np.uint16)).save(tmp_path / name)
    assert read_pictures("toy", [tmp_path / name], None).flatten().tolist() == [0, 0, 1, 255]


def test_transparency_is_dropped(tmp_path: Path) -> None:
    Image.new("RGBA", (2, 2), (10, 20, 30, 0)).save(tmp_path / "a.png")
    Image.new("RGB", (2, 2), (10, 20, 30)).quantize(2).save(tmp_path / "b.png", transparency=b"\x00\x80")
    Image.new("LA", (2, 2), (10, 0)).save(tmp_path / "c.png")
    images = read_pictures("toy", [tmp_path / f"{letter}.png" for letter in "abc"], None)
    assert images[:, :, 0, 0].tolist() == [[10, 20, 30], [10, 20, 30], [10, 10, 10]]


def test_sizes_that_differ_need_image_size(draw: Draw) -> None:
    paths = [draw("a.png", 6, 5), draw("b.png", 8, 9)]
    with pytest.raises(DataError, match=r"image_size is None, but .*a.png is 6 x 5 and .*b.png is 8 x 9 pixels"):
        read_pictures("toy", paths, None)
    assert read_pictures("toy", paths, 4).shape == (2, 1, 4, 4)


def test_files_and_arrays_are_stretched_alike(draw: Draw) -> None:
    path = draw("a.png", 30, 20)
    from_file = read_pictures("toy", [path], 8)
    from_array = resized(read_pictures("toy", [path], None), 8)
    assert int((from_file.int() - from_array.int()).abs().max()) <= 1


def test_an_array_of_the_right_size_is_left_alone() -> None:
    images = torch.zeros(2, 1, 4, 4, dtype=torch.uint8)
    assert resized(images, 4) is images


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.webp", "a.pgm"])
def test_a_damaged_image_is_named(draw: Draw, name: str) -> None:
    path = draw(name, 40, 40)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(DataError, match=rf"{name} cannot be read: it is not an image or is damaged \(.+\); fix"):
        read_pictures("toy", [path], None)


def test_what_is_no_image_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_text("hello")
    with pytest.raises(DataError, match=r"a.jpg cannot be read: it is not an image"):
        read_pictures("toy", [tmp_path / "a.jpg"], None)
    with pytest.raises(DataError, match=r"^there is no file .*b.jpg; expected a picture"):
        read_pictures("toy", [tmp_path / "b.jpg"], None)


def test_thirty_two_bits_are_refused(tmp_path: Path) -> None:
    Image.fromarray(np.ones((2, 2), dtype=np.float32)).save(tmp_path / "a.tif")
    with pytest.raises(DataError, match=r"a.tif cannot be read: .* 32 bits per pixel, expected 8 or 16"):
        read_pictures("toy", [tmp_path / "a.tif"], None)


def test_channels_become_each_other_as_pillow_has_it(draw: Draw) -> None:
    colour = read_pictures("toy", [draw("a.png", 40, 30, mode="RGB")], None)
    grey = np.asarray(Image.fromarray(colour[0].permute(1, 2, 0).numpy()).convert("L"))
    assert np.array_equal(with_channels(colour, 1)[0, 0].numpy(), grey)
    repeated = with_channels(torch.tensor(grey)[None, None], 3)
    assert torch.equal(with_channels(repeated, 1)[0, 0], torch.tensor(grey))
    assert with_channels(colour, 3) is colour
    with pytest.raises(ValueError, match="images have 3 channels, expected 4"):
        with_channels(colour, 4)
