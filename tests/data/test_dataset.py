import math

import pytest
import torch

from cones.data import Dataset, Splits

IMAGES = torch.arange(4 * 9, dtype=torch.uint8).reshape(4, 1, 3, 3)
LABELS = torch.tensor([0, 1, 1, 0])


def pictures(classes: tuple[str, ...] = ("a", "b")) -> Dataset:
    return Dataset("toy", IMAGES, LABELS, classes)


def test_it_knows_its_size_and_says_so_in_short() -> None:
    data = pictures()
    assert len(data) == 4
    assert data.num_classes == 2
    assert repr(data) == "Dataset('toy', 4 x (1, 3, 3) uint8, 2 classes)"


@pytest.mark.parametrize("indices", [[2, 0], torch.tensor([2, 0]), []], ids=["a list", "a tensor", "an empty list"])
def test_select_keeps_the_order_asked_for_and_all_classes(indices: list[int]) -> None:
    chosen = pictures().select(indices)
    assert chosen.labels.tolist() == [LABELS[i] for i in indices]
    assert torch.equal(chosen.inputs, IMAGES[torch.as_tensor(indices, dtype=torch.long)])
    assert chosen.classes == ("a", "b")


def test_select_takes_a_mask() -> None:
    assert torch.equal(pictures().select(LABELS == 1).inputs, IMAGES[1:3])


@pytest.mark.parametrize("wrong", [4, -1])
def test_select_refuses_a_position_outside(wrong: int) -> None:
    with pytest.raises(ValueError, match=rf"indices holds {wrong}, but toy has 4 samples; expected .* 0\.\.3"):
        pictures().select([0, wrong])


def test_select_refuses_a_mask_of_another_length() -> None:
    with pytest.raises(ValueError, match=r"indices is a mask \(2,\), but toy has 4 samples"):
        pictures().select(torch.tensor([True, False]))


@pytest.mark.parametrize("odd", [math.nan, math.inf, -math.inf])
def test_a_vector_that_is_not_finite_is_refused_with_its_position(odd: float) -> None:
    vectors = torch.zeros(5, 2)
    vectors[3, 1] = odd
    with pytest.raises(ValueError, match=r"^inputs\[3\] of toy holds a NaN or an infinity: 1 of 5 .*$"):
        Dataset("toy", vectors, torch.zeros(5, dtype=torch.long), ("a",))


@pytest.mark.parametrize(
    ("inputs", "labels", "classes", "message"),
    [
        (
            IMAGES.float(),
            LABELS,
            ("a", "b"),
            r"inputs of toy is \(4, 1, 3, 3\) torch.float32; expected images",
        ),
        (
            torch.zeros(4, 2, dtype=torch.double),
            LABELS,
            ("a", "b"),
            r"inputs of toy is \(4, 2\) torch.float64",
        ),
        (torch.zeros(4, 0), LABELS, ("a", "b"), r"inputs of toy is \(4, 0\); expected no empty dimension"),
        (
            IMAGES,
            LABELS.int(),
            ("a", "b"),
            r"labels of toy is \(4,\) torch.int32; expected \(N,\) torch.int64",
        ),
        (IMAGES, LABELS[:3], ("a", "b"), r"labels of toy has 3 entries, but inputs has 4"),
        (IMAGES, LABELS, ("a",), r"labels\[1\] of toy is 1, but there are 1 classes; expected 0\.\.0"),
        (IMAGES, LABELS - 1, ("a", "b"), r"labels\[0\] of toy is -1"),
        (IMAGES, LABELS, ("a", "a"), r"classes of toy holds 'a' twice"),
    ],
)
def test_each_mistake_is_named(
    inputs: torch.Tensor, labels: torch.Tensor, classes: tuple[str, ...], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        Dataset("toy", inputs, labels, classes)


def test_sides_of_different_shapes_are_refused() -> None:
    vectors = Dataset("toy", torch.zeros(4, 2), LABELS, ("a", "b"))
    with pytest.raises(ValueError, match=r"test of toy holds inputs \(2,\), but train holds \(1, 3, 3\)"):
        Splits(pictures(), vectors, "given")


def test_the_kind_must_fit_the_classes() -> None:
    with pytest.raises(ValueError, match="kind is 'identity', but train and test of toy share the class 'b'"):
        Splits(pictures(), pictures(("b", "c")), "identity")
    with pytest.raises(ValueError, match="kind is 'sample', but train and test of toy have different classes"):
        Splits(pictures(), pictures(("b", "a")), "sample")


def test_files_go_with_their_samples() -> None:
    data = Dataset("toy", IMAGES, LABELS, ("a", "b"), ("w", "x", "y", "z"))
    assert data.select([2, 0]).files == ("y", "w")
    assert data.select(torch.tensor([False, True, False, True])).files == ("x", "z")
    with pytest.raises(ValueError, match="files of toy has 1 entries for 4 inputs; expected one each"):
        Dataset("toy", IMAGES, LABELS, ("a", "b"), ("w",))
