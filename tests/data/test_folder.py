from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cones.data import DataError, load, load_whole, read_flat_folder

Draw = Callable[..., Path]


def classes(draw: Draw, prefix: str, *names: str, images: int = 4) -> None:
    for name in names:
        for number in range(images):
            draw(f"{prefix}{name}/{number}.png")


def test_each_folder_is_a_class(draw: Draw, tmp_path: Path) -> None:
    classes(draw, "", "dog", "cat")
    draw(".hidden/0.png")
    draw("cat/.hidden.png")
    (tmp_path / "cat" / "notes.txt").write_text("not an image")
    splits = load(f"folder:{tmp_path}", test_fraction=0.25)
    assert splits.kind == "sample"
    assert splits.train.classes == ("cat", "dog")
    assert splits.train.name == f"folder:{tmp_path}"
    assert (len(splits.train), len(splits.test)) == (6, 2)
    assert splits.train.inputs.shape[1:] == (1, 6, 6)
    first = np.asarray(Image.open(tmp_path / "cat" / "0.png"))
    assert any(np.array_equal(image[0].numpy(), first) for part in (splits.train, splits.test) for image in part.inputs)


def test_train_and_test_folders_are_the_given_split(draw: Draw, tmp_path: Path) -> None:
    classes(draw, "train/", "cat", "dog")
    classes(draw, "test/", "dog", images=2)
    splits = load(f"folder:{tmp_path}")
    assert splits.kind == "given"
    assert splits.test.classes == ("cat", "dog")
    assert splits.test.labels.tolist() == [1, 1]
    assert load(f"folder:{tmp_path}", split="sample").kind == "sample"


def test_train_and_test_folders_with_other_classes_are_a_split_by_identity(draw: Draw, tmp_path: Path) -> None:
    classes(draw, "train/", "ann", "bob")
    classes(draw, "test/", "cid", "dan")
    splits = load(f"folder:{tmp_path}")
    assert splits.kind == "identity"
    assert splits.test.classes == ("cid", "dan")


def test_train_may_be_a_class_like_any_other(draw: Draw, tmp_path: Path) -> None:
    classes(draw, "", "train", "test")
    assert load(f"folder:{tmp_path}").train.classes == ("test", "train")


def test_images_are_stretched_to_image_size(draw: Draw, tmp_path: Path) -> None:
    for letter in "ab":
        draw(f"{letter}/0.png", 5, 9)
        draw(f"{letter}/1.jpg", 12, 3, "RGB")
    assert load(f"folder:{tmp_path}", image_size=7).train.inputs.shape[1:] == (3, 7, 7)
    with pytest.raises(DataError, match=r"image_size is None, but the images of folder:.* differ in size"):
        load(f"folder:{tmp_path}")


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nowhere is not a folder; expected one that holds"):
        load(f"folder:{tmp_path}/nowhere")


def test_an_empty_folder_is_refused(draw: Draw, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"holds no folders and 0 images; expected one folder of images"):
        load(f"folder:{tmp_path}")
    draw("loose.png")
    with pytest.raises(DataError, match=r"holds no folders and 1 images"):
        load(f"folder:{tmp_path}")


def test_one_class_is_refused(draw: Draw, tmp_path: Path) -> None:
    classes(draw, "", "cat")
    with pytest.raises(DataError, match=r"folder:.* has one class, 'cat'; expected two or more"):
        load(f"folder:{tmp_path}")
    classes(draw, "both/train/", "cat")
    classes(draw, "both/test/", "cat")
    with pytest.raises(DataError, match=r"has one class, 'cat'"):
        load(f"folder:{tmp_path}/both")


def test_a_class_without_images_is_refused(draw: Draw, tmp_path: Path) -> None:
    classes(draw, "", "cat")
    (tmp_path / "dog").mkdir()
    (tmp_path / "dog" / "readme.txt").write_text("none yet")
    with pytest.raises(DataError, match=r"the class folder .*dog holds no image"):
        load(f"folder:{tmp_path}")


def test_a_corrupt_image_is_named(draw: Draw, tmp_path: Path) -> None:
    classes(draw, "", "cat", "dog")
    (tmp_path / "dog" / "1.png").write_bytes(b"\x89PNG\r\n\x1a\n and then nothing")
    with pytest.raises(DataError, match=r"dog/1.png cannot be read"):
        load(f"folder:{tmp_path}")


def test_files_keep_their_names_through_every_split(draw: Draw, tmp_path: Path) -> None:
    classes(draw, "", "a", "b", "c", "d")
    whole = load_whole(f"folder:{tmp_path}")
    assert whole.files == tuple(f"{letter}/{number}.png" for letter in "abcd" for number in range(4))
    images = dict(zip(whole.files, whole.inputs, strict=True))
    for split in ("sample", "identity"):
        splits = load(f"folder:{tmp_path}", split=split)
        assert splits.train.files is not None
        assert splits.test.files is not None
        assert sorted(splits.train.files + splits.test.files) == list(whole.files)
        for side in (splits.train, splits.test):
            for file, image, label in zip(side.files or (), side.inputs, side.labels.tolist(), strict=True):
                assert bool((images[file] == image).all())
                assert file.startswith(side.classes[label])


def test_a_whole_set_has_both_sides_train_first(draw: Draw, tmp_path: Path) -> None:
    classes(draw, "train/", "ann", "bob", images=1)
    classes(draw, "test/", "cid", images=1)
    whole = load_whole(f"folder:{tmp_path}")
    assert whole.files == ("train/ann/0.png", "train/bob/0.png", "test/cid/0.png")
    assert whole.classes == ("ann", "bob", "cid")
    assert whole.labels.tolist() == [0, 1, 2]
    with pytest.raises(ValueError, match="image_size is 0; expected at least 1 pixel"):
        load_whole(f"folder:{tmp_path}", image_size=0)


def test_a_flat_folder_has_names_alone(draw: Draw, tmp_path: Path) -> None:
    draw("flat/b.png")
    draw("flat/a.png", 9, 9)
    (tmp_path / "flat" / "notes.txt").write_text("not an image")
    images, files = read_flat_folder(tmp_path / "flat", 6)
    assert (images.shape, files) == ((2, 1, 6, 6), ("a.png", "b.png"))
    with pytest.raises(DataError, match="is not a folder; expected one that holds images"):
        read_flat_folder(tmp_path / "no", None)
    with pytest.raises(DataError, match="holds no image"):
        read_flat_folder(tmp_path, None)
