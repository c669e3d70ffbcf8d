"""Splits into gallery and probes."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cones.evaluation import gallery_probe_split


@settings(max_examples=60)
@given(
    labels=st.lists(st.integers(0, 8).map(lambda label: label - 5 if label < 3 else label), max_size=40),
    samples=st.integers(1, 4),
    unmated=st.floats(0, 1),
    seed=st.integers(0, 100),
)
def test_counts_of_every_subject(labels, samples, unmated, seed):
    y = torch.tensor(labels, dtype=torch.long)
    split = gallery_probe_split(y, samples=samples, unmated=unmated, seed=seed)
    assert sorted([*split.gallery.tolist(), *split.probes.tolist()]) == list(range(len(y)))
    assert split.gallery.tolist() == sorted(split.gallery.tolist())
    enrolled = y[split.gallery].tolist()
    names = set(labels)
    assert len(names - set(enrolled)) == round(unmated * len(names))
    for name in set(enrolled):
        assert enrolled.count(name) == min(samples, labels.count(name))


def test_every_sample_can_be_enrolled_and_seeds_differ():
    y = torch.zeros(5, dtype=torch.long)
    drawn = {gallery_probe_split(y, unmated=0.0, seed=seed).gallery.item() for seed in range(60)}
    assert drawn == {0, 1, 2, 3, 4}
    y = torch.arange(300) // 3
    first, again, other = (gallery_probe_split(y, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(first.gallery, again.gallery)
    assert not torch.equal(first.probes, other.probes)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"labels": torch.ones(3)}, r"labels has shape \(3,\), torch.float32, expected \(N,\) integers"),
        ({"labels": torch.ones(3, 1).long()}, r"labels has shape \(3, 1\)"),
        ({"samples": 0}, r"samples is 0, expected 1 or more"),
        ({"unmated": 1.5}, r"unmated is 1.5, expected a share in 0..1"),
    ],
)
def test_errors_name_the_argument(change, message):
    with pytest.raises(ValueError, match=message):
        gallery_probe_split(**({"labels": torch.arange(4)} | change))
