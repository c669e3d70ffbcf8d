import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cones.data import DataError, Dataset
from cones.data._split import as_given, by_identity, by_sample, whole

fractions = st.floats(0.01, 0.99)
seeds = st.integers(0, 2**32)


def numbered(labels: list[int], num_classes: int) -> Dataset:
    """A set whose vector i is (i,), so that each sample can be told from the others."""
    inputs = torch.arange(len(labels), dtype=torch.float32).unsqueeze(1)
    names = tuple(f"c{k}" for k in range(num_classes))
    return Dataset("toy", inputs, torch.tensor(labels), names)


@st.composite
def datasets(draw: st.DrawFn, least_classes: int) -> Dataset:
    num_classes = draw(st.integers(least_classes, 8))
    extra = draw(st.lists(st.integers(0, num_classes - 1), min_size=1, max_size=60))
    labels = draw(st.permutations([*range(num_classes), *extra]))
    return numbered(list(labels), num_classes)


def identities(data: Dataset) -> list[float]:
    return data.inputs.flatten().tolist()


@settings(deadline=None)
@given(datasets(1), fractions, seeds)
def test_a_sample_split_is_a_stratified_partition(data: Dataset, fraction: float, seed: int) -> None:
    splits = by_sample(data, fraction, seed)
    train, test = splits.train, splits.test
    assert splits.kind == "sample"
    assert sorted(identities(train) + identities(test)) == identities(data)
    assert identities(train) == sorted(identities(train))
    assert train.classes == test.classes == data.classes
    for side in (train, test):
        assert torch.equal(side.labels, data.labels[side.inputs.flatten().long()])
    for k in range(data.num_classes):
        size, tested = int((data.labels == k).sum()), int((test.labels == k).sum())
        assert tested < size
        if size == 1:
            assert tested == 0
        else:
            assert tested == min(max(int(size * fraction + 0.5), 1), size - 1)


@settings(deadline=None)
@given(datasets(4), fractions, seeds)
def test_an_identity_split_is_a_partition_of_the_classes(data: Dataset, fraction: float, seed: int) -> None:
    splits = by_identity(data, fraction, seed)
    train, test = splits.train, splits.test
    assert splits.kind == "identity"
    assert set(train.classes) | set(test.classes) == set(data.classes)
    assert not set(train.classes) & set(test.classes)
    assert min(train.num_classes, test.num_classes) >= 2
    assert sorted(identities(train) + identities(test)) == identities(data)
    for side in (train, test):
        assert side.labels.unique().tolist() == list(range(side.num_classes))
        named_before = [data.classes[data.labels[int(i)]] for i in identities(side)]
        assert [side.classes[label] for label in side.labels.tolist()] == named_before


@pytest.mark.parametrize("cut", [by_sample, by_identity])
def test_the_seed_alone_decides(cut) -> None:
    data = numbered(list(range(10)) * 10, 10)
    torch.manual_seed(1)
    first = identities(cut(data, 0.3, 5).test)
    torch.manual_seed(2)
    assert identities(cut(data, 0.3, 5).test) == first
    assert identities(cut(data, 0.3, 6).test) != first


def test_drawing_leaves_the_global_generator_alone() -> None:
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    by_sample(numbered([0, 0, 1, 1], 2), 0.5, 0)
    assert torch.equal(torch.rand(1), expected)


def test_a_class_without_samples_is_never_drawn() -> None:
    data = numbered([0, 1, 3, 4, 0, 1], 5)
    splits = by_identity(data, 0.5, 0)
    assert "c2" not in splits.train.classes + splits.test.classes


def test_too_little_to_split_is_refused() -> None:
    with pytest.raises(DataError, match="split='sample' of toy leaves nothing to test on"):
        by_sample(numbered([0, 1, 2], 3), 0.5, 0)
    with pytest.raises(DataError, match=r"split='identity' of toy needs at least 4 classes.* it has 3"):
        by_identity(numbered([0, 1, 2, 0], 3), 0.5, 0)


def test_a_given_split_counts_from_the_classes_of_train() -> None:
    data = numbered([0, 2, 4, 4, 2], 5)
    splits = as_given(data, torch.tensor([False, False, False, True, True]))
    assert splits.kind == "given"
    assert splits.train.classes == splits.test.classes == ("c0", "c2", "c4")
    assert splits.train.labels.tolist() == [0, 1, 2]
    assert splits.test.labels.tolist() == [2, 1]


def test_a_given_split_without_a_common_class_is_one_by_identity() -> None:
    splits = as_given(numbered([0, 2, 1, 3], 4), torch.tensor([False, False, True, True]))
    assert splits.kind == "identity"
    assert (splits.train.classes, splits.test.classes) == (("c0", "c2"), ("c1", "c3"))
    assert splits.test.labels.tolist() == [0, 1]


def test_a_given_split_with_some_strange_classes_is_refused() -> None:
    with pytest.raises(DataError, match="test of toy holds the class 'c1', which train does not"):
        as_given(numbered([0, 2, 0, 1], 3), torch.tensor([False, False, True, True]))


@pytest.mark.parametrize("value", [True, False])
def test_a_given_split_has_two_sides(value: bool) -> None:
    with pytest.raises(DataError, match=r"the (train|test) side of toy is empty"):
        as_given(numbered([0, 1], 2), torch.tensor([value, value]))


def test_both_sides_together_are_the_set_again() -> None:
    data = numbered([0, 1, 2, 3, 0], 4)
    again = whole(by_identity(data, 0.5, 0))
    assert sorted(identities(again)) == identities(data)
    named = {i: again.classes[k] for i, k in zip(identities(again), again.labels.tolist(), strict=True)}
    assert named == {i: data.classes[k] for i, k in zip(identities(data), data.labels.tolist(), strict=True)}
