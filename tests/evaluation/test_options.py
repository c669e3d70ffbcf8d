"""Options of an evaluation as one object are equivalent to the arguments of `evaluate` and `evaluate_pairs`."""

from typing import Any

import pytest
import torch

from cones.evaluation import EvaluationOptions, evaluate, evaluate_pairs

OPTIONS = EvaluationOptions(
    (0.2,), "euclidean", resamples=10, confidence=0.9, seed=3, p_target=0.1, costs=(2.0, 1.0), min_pairs=5,
    gallery_samples=2, unmated=0.25,
)  # fmt: skip
VERIFICATION: dict[str, Any] = {
    "p_target": 0.1,
    "costs": (2.0, 1.0),
    "min_pairs": 5,
    "resamples": 10,
    "confidence": 0.9,
    "seed": 3,
}


def rows():
    labels = torch.arange(8).repeat_interleave(4)
    generator = torch.Generator().manual_seed(0)
    return torch.randn(8, 5, generator=generator)[labels] + 0.5 * torch.randn(32, 5, generator=generator), labels


def test_of_rows():
    features, labels = rows()
    found = OPTIONS.evaluate(features, labels)
    expected = evaluate(features, labels, (0.2,), "euclidean", gallery_samples=2, unmated=0.25, **VERIFICATION)
    assert found.figures() == expected.figures()
    assert found.identification == expected.identification
    assert found.confidence == 0.9


def test_of_pairs():
    generator = torch.Generator().manual_seed(0)
    same = torch.arange(60) % 2 == 0
    scores = same + torch.randn(60, generator=generator)
    found = OPTIONS.evaluate_pairs(scores, same, folds=5)
    assert found.figures() == evaluate_pairs(scores, same, None, (0.2,), folds=5, **VERIFICATION).figures()


@pytest.mark.parametrize(
    ("field", "value", "text"),
    [
        ("far", (0.1, 0.0), r"far holds 0.0, expected rates in \(0, 1\]"),
        ("resamples", -1, r"resamples is -1, expected 0 \(no intervals\) or more"),
        ("confidence", 95, r"confidence is 95, expected a share between 0 and 1"),
        ("p_target", 1.0, r"p_target is 1.0, expected a probability"),
        ("costs", (1.0, 0.0), r"costs is \(1.0, 0.0\), expected two numbers above 0"),
        ("min_pairs", 0, r"min_pairs is 0, expected at least 1"),
    ],
)
def test_a_field_out_of_its_range_is_named(field, value, text):
    with pytest.raises(ValueError, match=f"^{text}"):
        EvaluationOptions(**{field: value})
