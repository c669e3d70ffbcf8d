"""An exported file against the model it came from: embeddings, cosines, decisions."""

import os
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from ..common.unit_vectors import direction
from ..embedding import Model, embed
from ..evaluation import Decision, pair_scores
from ._decide import all_pairs
from ._export import INPUT_NAME, check_installed

NEAR = 1e-5
"""Cosines this close to the threshold may be decided either way: float32 rounding adds up to about 1e-6."""

ROUNDING = 1e-3
"""Entries of unit embeddings that differ by more than this differ by more than rounding."""

BATCH = 64


@dataclass(frozen=True)
class Agreement:
    """Agreement of an exported file with its model.

    Attributes:
        samples: how many were embedded by both.
        embedding_difference: the largest difference of an entry of two unit embeddings.
        cosine_difference: the largest difference of a pair's cosine.
        pairs: how many were decided by both.
        near: of these, how many have a cosine within 1e-5 of the threshold.
        differing: how many are decided otherwise, those near the threshold included.
        wrong: how many are decided otherwise that are not near the threshold.
    """

    samples: int
    embedding_difference: float
    cosine_difference: float
    pairs: int
    near: int
    differing: int
    wrong: int

    @property
    def same(self) -> bool:
        """Whether they agree up to float32 rounding."""
        return self.wrong == 0 and self.embedding_difference <= ROUNDING

    def __str__(self) -> str:
        return (
            f"{self.samples} samples: embeddings differ by at most {self.embedding_difference:.2g}, cosines by "
            f"{self.cosine_difference:.2g}; of {self.pairs:,} decisions {self.differing} differ ({self.near} pairs lie "
            f"within {NEAR:g} of the threshold, {self.wrong} differing ones do not)"
        )


@torch.no_grad()
def check_export(path: str | os.PathLike[str], model: Model, images: Tensor, decision: Decision) -> Agreement:
    """Run an exported file and its model on the same samples and compare what they give and decide.

    An .onnx file runs in onnxruntime on the CPU, a .pt2 file in PyTorch; in batches of 1 and of 64. PyTorch executes
    what is pickled in a .pt2 file: check none that you have from somebody else.

    Args:
        path: the file.
        model: what was exported.
        images: (N, *shape) samples in the form of the model, at least 2.
        decision: the threshold; all pairs of the samples are decided.

    Returns:
        `Agreement`; its `same` says whether all is well.

    Raises:
        ModuleNotFoundError: onnxruntime is needed and not installed.
        ValueError: fewer than 2 samples, or embeddings that are not finite or of another shape.
    """
    path = Path(path)
    if len(images) < 2:
        raise ValueError(f"images has {len(images)} rows, expected at least 2, to form a pair")
    run = _onnx_runner(path) if path.suffix == ".onnx" else _program_runner(path)
    got = torch.cat([run(batch) for batch in (images[:1], *images[1:].split(BATCH))])
    expected = direction(embed(model, images))[0]
    if got.shape != expected.shape:
        raise ValueError(f"{path} gave {tuple(got.shape)}, expected {tuple(expected.shape)}")
    return _compare(got, expected, decision)


def _compare(got: Tensor, expected: Tensor, decision: Decision) -> Agreement:
    pairs = all_pairs(len(got))
    mine, theirs = pair_scores(expected, pairs), pair_scores(got, pairs)
    differing = decision.accept(expected, pairs) != decision.accept(got, pairs)
    # a calibrated score moves by the slope when its cosine moves by 1
    slope = 1.0 if decision.calibration is None else decision.calibration.slope
    near = (decision.scores(expected, pairs) - decision.threshold).abs() <= NEAR * slope
    return Agreement(
        samples=len(got),
        embedding_difference=(got - expected).abs().max().item(),
        cosine_difference=(mine - theirs).abs().max().item(),
        pairs=len(pairs),
        near=int(near.sum()),
        differing=int(differing.sum()),
        wrong=int((differing & ~near).sum()),
    )


def _onnx_runner(path: Path) -> Callable[[Tensor], Tensor]:
    check_installed("onnxruntime")
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return lambda batch: torch.from_numpy(session.run(None, {INPUT_NAME: batch.numpy()})[0])


def _program_runner(path: Path) -> Callable[[Tensor], Tensor]:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The given buffer is not writable")  # torch 2.11 says so of its own reading
        module = torch.export.load(path).module()

    def run(batch: Tensor) -> Tensor:
        embeddings: Tensor = module(batch)
        return embeddings

    return run
