"""`cones plan`: memory, traffic and time of a training step on each rank, before a run."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from rich.table import Column, Table

from .terminal import Console
from .usage import UsageError

if TYPE_CHECKING:
    import torch

    from ..engine.machine import Profile
    from ..engine.rank_plan import Backbone, RankPlan


@dataclass(frozen=True)
class Plan:
    """Estimate memory, bytes sent and time of a training step before a run, for each rank.

    Time needs the speeds of the machine: --measure takes some seconds to find them, with as many processes as there
    are ranks, and keeps them in the cache folder ($CONES_DATA or ~/.cache/cones) for later plans.

    Args:
        classes: total number of classes K
        dim: dimension D of the features
        batch: rows per rank
        ranks: processes over which the classes are sharded; every rank sees the rows of all ranks
        loss: a margin, such as "CurricularFace" or "ArcFace(margin=0.3)": some need more memory, or send more
        sample_rate: share of the classes in a step
        subcenters: centers per class
        precision: precision of the matrix products of the gradients, and of the backbone's activations
        memory_budget: memory in MiB for tiles and stored exponentials
        momentum: the optimiser keeps momentum for W
        fused: W is updated inside the backward (ClassSGD), without a stored gradient
        backbone: lenets, lsoftmax-net, resnet, mlp, or your own package.module:Net; empty leaves it out
        image_size: side of its square colour images in pixels
        width: channel multiplier of the named backbones
        backbone_parameters: number of parameters of a backbone that is not at hand, in place of --backbone
        activation_bytes: bytes per image that it keeps for the backward
        optimizer: of the backbone: sgd keeps one array of the size of the parameters, adamw two
        measure: measure the speeds of this machine now, with that many processes, for plans of these sizes
        device: device that the ranks run on; auto uses GPUs if available
        threads: CPU threads of each process; 0 divides PyTorch's default among the ranks
        traceback: show the full traceback of an error
    """

    classes: int
    dim: int
    batch: int
    ranks: int = 1
    loss: str = "ArcFace"
    sample_rate: float = 1.0
    subcenters: int = 1
    precision: Literal["float32", "bfloat16"] = "float32"
    memory_budget: int = 256
    momentum: bool = True
    fused: bool = False
    backbone: str = ""
    image_size: int = 112
    width: float = 1.0
    backbone_parameters: int = 0
    activation_bytes: int = 0
    optimizer: Literal["sgd", "adamw"] = "sgd"
    measure: bool = False
    device: Literal["auto", "cpu", "cuda"] = "auto"
    threads: int = 0
    traceback: bool = False

    def execute(self) -> int:
        """Print what a rank holds, sends and takes, and write the machine profile if it is measured."""
        self._check()
        from ..data import default_root
        from ..engine.machine import nearest_profile, write_profile

        device = self._device()
        if self.precision == "bfloat16" and device.type == "cpu":
            from ..engine.processor import warn_if_slow

            warn_if_slow(self.dim, self.classes, instead="--precision float32")
        plan, folder = self._plan(device), default_root() / "machine" / device.type
        console = Console(soft_wrap=True, highlight=False, emoji=False)
        _print_memory(plan, console)
        if plan.ranks > 1:
            _print_traffic(plan, console)
        if self.measure:
            from ..engine.measuring import measure

            try:
                profile: Profile | None = measure(plan, device, self._threads(), precision=self.precision)
            except ValueError as error:
                raise UsageError(f"--{error}") from error
            assert profile is not None
            console.print(f"measured: {_path(write_profile(profile, folder))}")
        else:
            profile = nearest_profile(folder, plan.ranks, self.precision)
        if profile is None:
            console.print(
                "expected time: no profile of this machine yet; add --measure, which takes some seconds, to have it"
            )
        else:
            _print_time(plan, profile, console)
        return 0

    def _check(self) -> None:
        """Raise UsageError for a number out of its range."""
        for name in ("classes", "dim", "batch", "ranks", "subcenters", "memory_budget", "image_size"):
            if not 1 <= getattr(self, name) < 2**40:
                raise UsageError(f"--{name.replace('_', '-')} is {getattr(self, name)}, expected 1 to 2^40")
        for name in ("backbone_parameters", "activation_bytes", "threads"):
            if getattr(self, name) < 0:
                raise UsageError(f"--{name.replace('_', '-')} is {getattr(self, name)}, expected at least 0")
        if not 0 < self.sample_rate <= 1:
            raise UsageError(f"--sample-rate is {self.sample_rate}, expected above 0 and at most 1")
        if self.classes < self.ranks:
            raise UsageError(f"--classes is {self.classes}, expected at least one for each of the {self.ranks} ranks")
        if self.backbone and self.backbone_parameters:
            raise UsageError("--backbone-parameters is given beside --backbone: use one of them")

    def _device(self) -> "torch.device":
        import torch

        if self.device == "cuda" and not torch.cuda.is_available():
            raise UsageError("--device is cuda, but PyTorch sees no GPU here: use --device cpu")
        return torch.device("cuda" if self.device != "cpu" and torch.cuda.is_available() else "cpu")

    def _threads(self) -> int:
        """CPU threads of a rank."""
        import torch

        return self.threads or max(1, torch.get_num_threads() // self.ranks)

    def _plan(self, device: "torch.device") -> "RankPlan":
        import torch

        from ..engine.planner import ACCELERATOR_TILE_BYTES, TILE_BYTES_PER_THREAD
        from ..engine.rank_plan import RankPlan
        from ..margins import parse

        try:
            margin = parse(self.loss)
        except (TypeError, ValueError) as error:
            raise UsageError(f"--loss: {error}") from error
        plan = RankPlan(
            margin, self.classes, self.dim, self.batch, ranks=self.ranks, sample_rate=self.sample_rate,
            subcenters=self.subcenters, compute_dtype=torch.bfloat16 if self.precision == "bfloat16" else None,
            memory_budget=self.memory_budget * 2**20, momentum=self.momentum, fused=self.fused,
            tile_bytes=ACCELERATOR_TILE_BYTES if device.type == "cuda" else TILE_BYTES_PER_THREAD * self._threads(),
            backbone=self._backbone(),
        )  # fmt: skip
        if self.fused and plan.bends:
            raise UsageError(
                f"--fused does not go with {type(margin).__name__} and {self.subcenters} centers per class, whose "
                f"non-target logits are not scaled similarities: leave it out"
            )
        return plan

    def _backbone(self) -> "Backbone | None":
        """Sizes of the backbone, which is built without memory; None if there is none."""
        import torch

        from ..backbones import build
        from ..engine.rank_plan import Backbone

        arrays, half = 2 if self.optimizer == "adamw" else 1, self.precision == "bfloat16"
        if not self.backbone:
            given = Backbone(self.backbone_parameters, self.activation_bytes, arrays, half)
            return given if self.backbone_parameters else None
        shape = (3, self.image_size, self.image_size)
        try:
            with torch.device("meta"):
                net = build(self.backbone, shape, self.dim, self.width)
            return Backbone.of(net, shape, arrays, half=half)
        # an unknown net, or an operation of it that PyTorch has not for the meta device
        except (ValueError, RuntimeError) as error:
            raise UsageError(f"--backbone: {error}") from error


def _print_memory(plan: "RankPlan", console: Console) -> None:
    operations = f"{plan.step.products:.2f} products, {plan.operations / 1e12:,.3g} T operations a step"
    sampled = f" ({plan.in_step:,} of them in a step)" if plan.sample_rate < 1 else ""
    title = (
        f"{plan.rows:,} rows, {plan.dim:,} dims, {plan.held:,} classes on a rank{sampled} in {plan.step.num_tiles:,} "
        f"tiles of {plan.step.tile:,}; exponentials of {plan.step.kept:,} kept: {operations}"
    )
    table = Table("on each rank", Column("MiB", justify="right"), title=title, title_justify="left")
    parts = plan.memory()
    for name, size in parts.items():
        table.add_row(name, f"{size / 2**20:,.1f}")
    table.add_row("together", f"{sum(parts.values()) / 2**20:,.1f}", style="bold")
    logits = plan.rows * plan.in_step * plan.subcenters * 4
    table.add_row("the logits of all classes, which are never made", f"{logits / 2**20:,.1f}", style="dim")
    console.print(table)


def _print_traffic(plan: "RankPlan", console: Console) -> None:
    right = Column("KiB passed", justify="right"), Column("KiB sent", justify="right")
    table = Table("exchange of a step", "collective", *right)
    exchanges, sent = plan.traffic(), 0.0
    for each in exchanges:
        sent += each.sent(plan.ranks)
        table.add_row(each.name, each.kind, f"{each.bytes / 2**10:,.1f}", f"{each.sent(plan.ranks) / 2**10:,.1f}")
    passed = sum(each.bytes for each in exchanges)
    table.add_row("together", "", f"{passed / 2**10:,.1f}", f"{sent / 2**10:,.1f}", style="bold")
    console.print(table)


def _print_time(plan: "RankPlan", profile: "Profile", console: Console) -> None:
    parts = profile.seconds(plan, plan.traffic())
    table = Table("expected time of a step", Column("ms", justify="right"), title=str(profile), title_justify="left")
    for name, seconds in parts.items():
        table.add_row(name, f"{1e3 * seconds:,.1f}")
    without = "" if plan.backbone is None else ", without the backbone's own computing"
    table.add_row(f"together{without}", f"{1e3 * sum(parts.values()):,.1f}", style="bold")
    console.print(table)
    again = f"add --measure to measure {plan.ranks} processes at these sizes"
    if profile.ranks != plan.ranks:
        told = "which has no exchanges" if profile.ranks == 1 else "whose network is that of one machine"
        console.print(f"the profile is of {profile.ranks} processes, {told}: {again}")
    elif (profile.rows, profile.dim, profile.tile) != (plan.step.num_rows, plan.step.dim, plan.step.tile):
        console.print(f"the profile is of other sizes, and speeds depend on them: {again}")


def _path(path: Path) -> str:
    """A path with the home folder abbreviated."""
    try:
        return f"~/{path.relative_to(Path.home())}"
    except ValueError:
        return str(path)
