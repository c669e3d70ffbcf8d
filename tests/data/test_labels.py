import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cones.data.labels import encode


@pytest.mark.parametrize(
    ("labels", "classes", "codes"),
    [
        (np.array([100, 7, -3, 7]), ("-3", "7", "100"), [2, 1, 0, 1]),
        (["10", "9", "10"], ("9", "10"), [1, 0, 1]),
        (["b10", "b9", "a"], ("a", "b10", "b9"), [1, 2, 0]),
        (["2", "x", "10"], ("10", "2", "x"), [1, 2, 0]),
        (["07", "7"], ("07", "7"), [0, 1]),
    ],
    ids=["gaps", "numbers as text", "text", "mixed", "same number, two names"],
)
def test_names_are_sorted_and_gaps_closed(labels: list[str], classes: tuple[str, ...], codes: list[int]) -> None:
    names, encoded = encode(labels)
    assert names == classes
    assert encoded.tolist() == codes
    assert encoded.dtype == torch.int64


@settings(deadline=None)
@given(st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1))
def test_each_code_leads_back_to_its_label(labels: list[int]) -> None:
    names, codes = encode(np.array(labels))
    assert [int(names[code]) for code in codes.tolist()] == labels
    assert [int(name) for name in names] == sorted(set(labels))
