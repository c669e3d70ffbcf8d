"""Memory of insightface's Partial FC runs: as published, by its layout, and as cones would take for the same run.

python -m benchmarks.planner.published

The formula is the planner's: the sum of the arrays that are alive at the peak of a step. `docs/planning.md` says which
these are and where they were read; nothing is fitted to the published figures.
"""

from typing import NamedTuple

import cones
from cones.engine.planner import ACCELERATOR_TILE_BYTES
from cones.engine.rank_plan import FLOAT32, INT64, Backbone, RankPlan

DIM, BATCH, RANKS, RATE = 512, 128, 8, 0.1

FLOAT16 = 2

CLASSES_AND_GIGABYTES = (
    ("V100", 1_000_000, 5.620), ("V100", 2_000_000, 6.472), ("V100", 4_000_000, 8.284), ("V100", 8_000_000, 12.310),
    ("V100", 16_000_000, 19.950), ("V100", 29_000_000, 32.324), ("A100", 50_000_000, 54.1),
    ("A100", 70_000_000, 73.7), ("A100", 80_000_000, 79.6),
)  # fmt: skip
"""GPU, identities and GB a card as published, eight cards, rate 0.1.

The V100 rows are MB in the source, as nvidia-smi counts them (MiB); the A100 rows are rounded to 0.1 GB.
"""


class Layout(NamedTuple):
    """Arrays of float32 at the peak of a step of insightface's Partial FC, by their size.

    Attributes:
        held: of C x D: W and its momentum.
        sampled: of S x D: sampled rows of W and of the momentum, of this step and of the last one until they are
            replaced.
        logits: of M x S.
        own_logits: of M / P x S: one-hot rows, and the rows whose class is held.
    """

    held: int
    sampled: int
    logits: int
    own_logits: int


LAYOUTS = {"CosFace": Layout(2, 4, 5, 2), "ArcFace": Layout(2, 4, 10, 1)}
"""By margin: arccosine and cosine keep their inputs, and their gradients take six arrays more."""


class Stage(NamedTuple):
    """Residual blocks of one width: a block halves the image, and the others keep it."""

    before: int
    width: int
    side: int
    blocks: int


IRESNET50 = (Stage(64, 64, 56, 3), Stage(64, 128, 28, 4), Stage(128, 256, 14, 14), Stage(256, 512, 7, 3))
"""Of 112 x 112 pixels, after a stem of 64 channels that keeps their number."""


def iresnet50() -> Backbone:
    """Sizes of its IResNet-50 with a fully connected layer to 512 features, in half precision.

    A block (norm, 3x3, norm, PReLU, 3x3, norm) keeps the input of each of the six for the backward; one that halves
    the image has a 1x1 convolution and a norm beside it.
    """
    parameters, kept = 3 * 64 * 9 + 3 * 64, (3 + 2 * 64) * 112**2
    for before, width, side, blocks in IRESNET50:
        before_pixels, pixels = (2 * side) ** 2, side**2
        kept += 2 * before * before_pixels + 3 * width * before_pixels + 2 * width * pixels
        kept += (blocks - 1) * 6 * width * pixels
        parameters += (
            2 * before + 9 * before * width + 3 * width + 9 * width**2 + 2 * width + before * width + 2 * width
        )
        parameters += (blocks - 1) * (18 * width**2 + 7 * width)
    last = 512 * 7**2
    parameters += 2 * 512 + last * DIM + DIM + 2 * DIM
    return Backbone(parameters, FLOAT16 * (kept + last) + FLOAT32 * last, half=True)


def theirs(num_classes: int, margin: str) -> int:
    """Bytes a card by insightface's layout, without CUDA's own, NCCL's buffers and cuDNN's workspace."""
    layout, held = LAYOUTS[margin], num_classes // RANKS
    sampled, rows = int(RATE * held), BATCH * RANKS
    numbers = layout.held * held * DIM + layout.sampled * sampled * DIM
    numbers += layout.logits * rows * sampled + layout.own_logits * BATCH * sampled
    drawing = FLOAT32 * held + INT64 * sampled
    return FLOAT32 * numbers + drawing + sum(iresnet50().memory(BATCH, RANKS).values())


def ours(num_classes: int) -> int:
    """Bytes a card that cones takes for the run, with ClassSGD."""
    plan = RankPlan(
        cones.CosFace(), num_classes, DIM, BATCH, ranks=RANKS, sample_rate=RATE, fused=True, backbone=iresnet50(),
        tile_bytes=ACCELERATOR_TILE_BYTES,
    )  # fmt: skip
    return sum(plan.memory().values())


def published_bytes(gpu: str, gigabytes: float) -> float:
    """Bytes of a published figure: MB are MiB for the V100, GB are 10^9 for the A100, whose 80 GiB hold no more."""
    return gigabytes * (1000 * 2**20 if gpu == "V100" else 1e9)


def main() -> None:
    """Print a line for each published run."""
    print("| GPU | identities | published GB | their layout, CosFace | ArcFace | cones |")
    print("|---|---:|---:|---:|---:|---:|")
    for gpu, classes, gigabytes in CLASSES_AND_GIGABYTES:
        given = published_bytes(gpu, gigabytes)
        layouts = (theirs(classes, margin) for margin in LAYOUTS)
        shown = " | ".join(f"{each / 1e9:.1f} ({each / given - 1:+.0%})" for each in layouts)
        print(f"| {gpu} | {classes / 1e6:.0f} M | {given / 1e9:.1f} | {shown} | {ours(classes) / 1e9:.1f} |")


if __name__ == "__main__":
    main()
