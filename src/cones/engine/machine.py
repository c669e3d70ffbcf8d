"""Profile of a machine, as `cones plan --measure` finds it: speeds of products, passes, memory and collectives."""

import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, NamedTuple

from ..common.atomic_files import replacing
from .rank_plan import FLOAT32, RankPlan
from .traffic import Exchange

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PASSES_OVER_W = 6
"""Elementwise passes over a tile's rows of W: norms and unit rows; four to take the gradient through the norm."""

BENT_PASSES = 8
"""Elementwise passes over a tile's logits, forward and backward, where the margin modifies them: an estimate."""

OPTIMIZER_ARRAYS = 5
"""Arrays that SGD with momentum reads and writes: gradient, W and momentum read, W and momentum written."""


class Collective(NamedTuple):
    """Speed of a collective.

    Attributes:
        latency: seconds of a call with a few numbers.
        bandwidth: bytes per second that leave a rank, beyond that.
    """

    latency: float
    bandwidth: float


@dataclass(frozen=True)
class Profile:
    """Speeds of a machine with P processes at work at once.

    Args:
        measured: when, as an ISO date and time.
        machine: name of the processor or the GPU.
        ranks: P.
        threads: of each process; 0 on a GPU.
        precision: of the gradients' products, "float32" or "bfloat16".
        rows: M, dim: D, tile: classes per tile of the products that were measured.
        logits: operations per second of the product x @ W.T, (M, D) by (D, C).
        features: the same of the product for the gradient of features, (M, C) by (C, D).
        weights: the same of the product for the gradient of W, (C, M) by (M, D).
        exponentials: numbers per second that are exponentiated and summed, in cache.
        elements: numbers per second of an elementwise pass over rows of W.
        new_memory: bytes per second written to memory that was just allocated.
        tiles: per second, of the engine's loop where they hold next to nothing.
        stream: bytes per second read from and written to main memory.
        collectives: by kind; empty for one process.
    """

    measured: str
    machine: str
    ranks: int
    threads: int
    precision: str
    rows: int
    dim: int
    tile: int
    logits: float
    features: float
    weights: float
    exponentials: float
    elements: float
    new_memory: float
    stream: float
    tiles: float
    collectives: Mapping[str, Collective]

    def seconds(self, plan: RankPlan, exchanges: list[Exchange]) -> dict[str, float]:
        """Expected seconds of a step of the head, forward, backward and the optimiser's, by part.

            products      2 M D C operations each, at the speed of each
            exponentials  M C numbers, once and again where they are recomputed
            passes over W six of C D numbers
            tiles         T of them, whatever they hold
            new memory    what a step allocates: the gradient of W, kept exponentials, sampled rows
            optimiser     arrays of the size of W that it reads and writes
            exchanges     latency + bytes sent / bandwidth

        Args:
            plan: the layer on a rank.
            exchanges: the collectives of a step.

        Returns:
            seconds by part; without exchanges where the profile has no collectives.
        """
        logits = plan.rows * plan.in_step * plan.subcenters
        numbers_of_w = plan.in_step * plan.subcenters * plan.dim
        again = plan.step.products - 2  # the logits, once and again where nothing was kept
        product = 2.0 * logits * plan.dim
        parts = {
            "products": product * (again / self.logits + 1 / self.features + 1 / self.weights),
            "exponentials": logits * again / self.exponentials,
            "passes over W": PASSES_OVER_W * numbers_of_w / self.elements,
            "tiles": plan.step.num_tiles / self.tiles,
            "new memory": self._new_bytes(plan) / self.new_memory,
        }
        if plan.bends:
            parts["margin"] = BENT_PASSES * logits / self.elements
        moved = OPTIMIZER_ARRAYS - plan.fused  # without a gradient that is read
        parts["optimiser"] = numbers_of_w * FLOAT32 * (moved if plan.momentum else 3 - plan.fused) / self.stream
        if self.collectives:
            parts["exchanges"] = sum(self.seconds_of(exchange, plan.ranks) for exchange in exchanges)
        return parts

    def seconds_of(self, exchange: Exchange, ranks: int) -> float:
        """Expected seconds of a collective."""
        speed = self.collectives[exchange.kind]
        return speed.latency + exchange.sent(ranks) / speed.bandwidth

    def __str__(self) -> str:
        threads = f", {self.threads} thread{'s' if self.threads != 1 else ''} each" if self.threads else ""
        return (
            f"{self.machine}, {self.ranks} process{'es' if self.ranks != 1 else ''}{threads}, measured {self.measured} "
            f"at {self.rows:,} rows, {self.dim:,} dims and tiles of {self.tile:,}"
        )

    @staticmethod
    def _new_bytes(plan: RankPlan) -> int:
        names = "gradient of W", "sampled rows of W", "exponentials kept for the backward"
        memory = plan.memory()
        return sum(memory.get(name, 0) for name in names)


def path_of(folder: Path, ranks: int, precision: str) -> Path:
    """File of the profile of P processes in a precision."""
    return folder / f"{ranks}-ranks-{precision}.toml"


def write_profile(profile: Profile, folder: Path) -> Path:
    """Write a profile to the folder, whole or not at all; return its file."""
    import tomli_w

    values = asdict(profile)
    values["collectives"] = {kind: speed._asdict() for kind, speed in profile.collectives.items()}
    path = path_of(folder, profile.ranks, profile.precision)
    with replacing(path) as aside:
        aside.write_text(tomli_w.dumps(values), encoding="utf-8")
    return path


def read_profile(path: Path) -> Profile:
    """Read a profile.

    Raises:
        ValueError: the file is not a profile; the text names the file and the fix.
    """
    try:
        values: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
        values["collectives"] = {kind: Collective(**speed) for kind, speed in values["collectives"].items()}
        profile = Profile(**values)
        speeds = [getattr(profile, field.name) for field in fields(Profile) if field.type is float]
        speeds += [number for speed in profile.collectives.values() for number in speed]
        if not all(isinstance(speed, float) and speed > 0 for speed in speeds):
            raise ValueError("a speed is not a positive number")
    except (TypeError, KeyError, AttributeError, ValueError) as error:
        raise ValueError(
            f"{path} is not a machine profile ({error}): measure again with cones plan --measure"
        ) from None
    return profile


def nearest_profile(folder: Path, ranks: int, precision: str) -> Profile | None:
    """Read the profile of P processes, or else that of the most processes below P; None where there is neither.

    Raises:
        ValueError: the file is not a profile.
    """
    for fewer in range(ranks, 0, -1):
        path = path_of(folder, fewer, precision)
        if path.is_file():
            return read_profile(path)
    return None
