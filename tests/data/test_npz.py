import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from cones.data import DataError, load

LABELS = np.array(["a", "b"] * 3)
GREY = np.arange(6 * 5 * 4, dtype=np.uint8).reshape(6, 5, 4)


def write(folder: Path, **arrays: Any) -> str:
    np.savez(folder / "toy.npz", **arrays)
    return f"npz:{folder / 'toy.npz'}"


def everything(spec: str, image_size: int | None = None) -> dict[tuple[float, ...], str]:
    """Each sample's numbers with its class's name."""
    splits = load(spec, image_size=image_size)
    return {
        tuple(x.flatten().tolist()): side.classes[y]
        for side in (splits.train, splits.test)
        for x, y in zip(side.inputs, side.labels.tolist(), strict=True)
    }


def test_features_become_float32(tmp_path: Path) -> None:
    features = np.arange(12.0).reshape(6, 2)
    spec = write(tmp_path, features=features, labels=np.array([10, 3, 10, 3, 3, 10]))
    assert load(spec).train.inputs.dtype == torch.float32
    assert load(spec).train.classes == ("3", "10")
    expected = dict(zip(map(tuple, features.tolist()), ["10", "3", "10", "3", "3", "10"], strict=True))
    assert everything(spec) == expected


@pytest.mark.parametrize(
    ("images", "shape"),
    [
        (GREY, (1, 5, 4)),
        (GREY[:, None], (1, 5, 4)),
        (GREY[..., None], (1, 5, 4)),
        (np.stack([GREY] * 3, 1), (3, 5, 4)),
        (np.stack([GREY] * 3, -1), (3, 5, 4)),
        (GREY.astype(np.int64), (1, 5, 4)),
        (GREY / 255, (1, 5, 4)),
    ],
    ids=["NHW", "N1HW", "NHW1", "N3HW", "NHW3", "integers", "floats"],
)
def test_images_of_each_form(tmp_path: Path, images: Any, shape: tuple[int, ...]) -> None:
    spec = write(tmp_path, images=images, labels=LABELS)
    assert load(spec).train.inputs.shape[1:] == shape
    channels = shape[0]
    assert set(everything(spec)) == {tuple(image.flatten().tolist() * channels) for image in GREY}


def test_images_are_stretched(tmp_path: Path) -> None:
    spec = write(tmp_path, images=GREY, labels=LABELS)
    assert load(spec, image_size=9).train.inputs.shape[1:] == (1, 9, 9)


def test_a_split_of_its_own(tmp_path: Path) -> None:
    spec = write(
        tmp_path,
        train_images=GREY,
        train_labels=LABELS,
        test_images=GREY[:2],
        test_labels=np.array(["b", "b"]),
    )
    splits = load(spec)
    assert splits.kind == "given"
    assert torch.equal(splits.train.inputs[:, 0], torch.from_numpy(GREY))
    assert splits.test.labels.tolist() == [1, 1]


@pytest.mark.parametrize("odd", [np.nan, np.inf, 1e300])
def test_features_that_are_not_finite_are_refused(tmp_path: Path, odd: float) -> None:
    features = np.zeros((6, 2))
    features[4, 0] = odd
    spec = write(tmp_path, features=features, labels=LABELS)
    with pytest.raises(ValueError, match=r"^inputs\[4\] of npz:.* holds a NaN or an infinity: [^\n]*$"):
        load(spec)


@pytest.mark.parametrize(("odd", "text"), [(np.nan, "nan"), (1.5, "1.5"), (-0.25, "-0.25")])
def test_float_images_outside_the_unit_interval_are_refused(tmp_path: Path, odd: float, text: str) -> None:
    images = np.zeros((6, 5, 4))
    images[2, 1, 1] = odd
    with pytest.raises(DataError, match=rf"^images of .* is float64, and image 2 holds {text}; expected [^\n]*$"):
        load(write(tmp_path, images=images, labels=LABELS))


FEATURES = np.zeros((6, 2))


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"features": FEATURES}, "holds the arrays features; expected features or images, with labels"),
        ({"features": FEATURES, "label": LABELS}, r"holds the arrays features, label; .*; rename label to labels$"),
        (
            {"Features": FEATURES, "Label": LABELS},
            r"holds the arrays Features, Label; .*; rename Features to features and Label to labels$",
        ),
        (
            {"train_images": GREY, "train_label": LABELS, "test_images": GREY, "test_labels": LABELS},
            r"; rename train_label to train_labels$",
        ),
        ({"x": FEATURES, "y": LABELS}, "holds the arrays x, y; expected"),
        (
            {"images": GREY, "features": FEATURES, "labels": LABELS},
            "holds the arrays features, images, labels",
        ),
        ({"train_images": GREY, "train_labels": LABELS}, "holds the arrays train_images, train_labels"),
        ({"features": FEATURES, "labels": LABELS[:5]}, r"labels of .* has 5 entries for inputs \(6, 2\)"),
        (
            {"features": FEATURES, "labels": np.zeros(6)},
            r"labels of .* is \(6,\) float64; expected \(N,\) int",
        ),
        ({"features": FEATURES[0], "labels": LABELS}, "has 6 entries for inputs"),
        (
            {"features": FEATURES[:, 0], "labels": LABELS},
            r"features of .* is \(6,\) float64; expected \(N, D\)",
        ),
        ({"features": FEATURES[:0], "labels": LABELS[:0]}, "labels of .* is empty"),
        ({"images": GREY[..., None, None], "labels": LABELS}, r"images of .* is \(6, 5, 4, 1, 1\); expected"),
        ({"images": np.zeros((6, 3, 5, 3), np.uint8), "labels": LABELS}, "with C of 1 or 3 in one place"),
        ({"images": GREY.astype(int) + 1000, "labels": LABELS}, "image 0 holds 1000; expected"),
        ({"images": GREY > 3, "labels": LABELS}, "images of .* is bool; expected integers"),
        ({"features": FEATURES, "labels": np.array(["a"] * 6)}, "has one class, 'a'"),
    ],
)
def test_each_mistake_is_named(tmp_path: Path, arrays: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        load(write(tmp_path, **arrays))


def test_features_have_no_image_size(tmp_path: Path) -> None:
    spec = write(tmp_path, features=FEATURES, labels=LABELS)
    with pytest.raises(ValueError, match=r"image_size is 8, but .* holds features; expected None"):
        load(spec, image_size=8)


def test_pickled_objects_are_refused_unread(tmp_path: Path) -> None:
    spec = write(tmp_path, features=FEATURES, labels=np.array([{}] * 6, dtype=object))
    with pytest.raises(DataError, match=r"^.*toy.npz holds pickled Python objects, which are not read[^\n]*$"):
        load(spec)


@pytest.mark.parametrize("damage", ["cut", "flipped", "text", "npy"])
def test_a_damaged_file_is_named(tmp_path: Path, damage: str) -> None:
    spec = write(tmp_path, features=np.random.default_rng(0).normal(size=(6, 50)), labels=LABELS)
    path = tmp_path / "toy.npz"
    whole = path.read_bytes()
    if damage == "cut":
        path.write_bytes(whole[: len(whole) // 2])
    elif damage == "flipped":
        path.write_bytes(whole[:400] + bytes([whole[400] ^ 255]) + whole[401:])
    elif damage == "text":
        path.write_text("features,labels")
    else:
        with path.open("wb") as file:
            np.save(file, FEATURES)
    with pytest.raises(DataError, match=rf"^{re.escape(str(path))} cannot be read as an .npz file \([^\n]*$"):
        load(spec)
