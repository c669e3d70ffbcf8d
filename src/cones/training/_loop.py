"""The trainer: Algorithm 1 of center loss and its generalisation, one loop to read from top to bottom."""

import time
import warnings
from collections.abc import Iterator
from dataclasses import fields, replace
from os import PathLike
from pathlib import Path

import torch
from torch import Tensor, nn

from ..common.run_folder import INPUT, LAST, VERSIONS
from ..data import Dataset
from ..engine.matmul import kernel, use_kernel
from ..engine.ranks import Group
from ._agreement import settings_of
from ._errors import TrainingError
from ._fingerprint import check_data
from ._finite import check_loss
from ._folder import check_folder
from ._joint import JointLoss
from ._metrics import Metrics
from ._optimizer import build_optimizer, learning_rate
from ._parallel import clip, gradients, parallel
from ._precision import decided
from ._run import Run
from ._step_metrics import StepMetrics
from ._stop import Stop, stop_on_signals
from ._versions import use_recorded_kernel
from ._world import World, world_of
from ._writer import RunWriter
from .batches import augment, order, seed_draws, to_input
from .checkpoint import Position, load_checkpoint
from .data import Data, counts_of, read_data, with_data
from .features import extract, precision
from .model import build_model, pick_device
from .validation import end_of_epoch, open_validation


def fit(
    run: Run,
    folder: str | PathLike[str],
    *,
    resume: bool = False,
    data: Data | None = None,
    data_folder: Path | None = None,
    stop: Stop | None = None,
    group: Group = None,
) -> Iterator[Metrics]:
    """Train, and yield the metrics of every few steps ("train") and of every epoch ("validation", "test") as they come.

    Line by line Algorithm 1, with any backbone, margin and feature losses: forward, joint loss, backward, step of W
    and of the backbone, then the centers' own update. The folder receives config.toml, input.json, versions.json,
    metrics.jsonl, last.safetensors (all a resumed run needs) and best.safetensors: weights of the epoch with the best
    validation (`run.validate`), without one with the highest test accuracy.

    Ctrl-C, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2 and SIGXCPU end the run after the step under way, with a checkpoint
    written; outside the main thread `stop` alone does.

    Args:
        run: what to train.
        folder: where to write: a new or empty folder, made if missing, or that of a run.
        resume: whether to go on from the folder's last checkpoint, bit by bit as if the run had never stopped.
            Without a checkpoint the run starts at its beginning. With more epochs than before the run is extended; a
            warning says what this does to the learning rate.
        data: train and test data of your own, instead of those that `run.data` names; or a `DataCache`, which reads
            those that it names once for all that it is passed to.
        data_folder: where named data sets are kept; None for the usual place.
        stop: a request to end the run, which another thread may make and signals make too.
        group: process group whose ranks train the run together, each calling this with the same arguments: classes are
            shared, and each rank takes its rows of every batch. The result is that of one process up to rounding.

    Yields:
        metrics, as they are written to metrics.jsonl; the same on every rank.

    Raises:
        TrainingError: ranks disagree on the run, its data or versions; the folder holds another run, other files or
            cannot be written to; the data have changed since the run began; the loss is no longer finite; or data and
            net do not fit. If the folder goes away while the run trains, the error says where the checkpoint went.
        CheckpointError: a checkpoint cannot be read.
        ValueError, FileNotFoundError: the data are not there or not right.

    Reference: Wen, Zhang, Li, Qiao, "A Discriminative Feature Learning Approach for Deep Face Recognition",
    ECCV 2016, Algorithm 1.
    """
    folder, run, world = Path(folder), with_data(run, data).with_feature_dim(), world_of(group)
    earlier = check_folder(run, folder, resume=resume)
    if earlier is not None and run.precision == "auto":
        run = replace(run, precision=earlier.precision)
    if run.threads:
        torch.set_num_threads(run.threads)
    device = pick_device(run.device)
    splits = world.one_first(lambda: read_data(run, data_folder, data))
    train, test = splits.train, splits.test
    if group is not None:
        world.agree(settings_of(run, splits))
    if earlier is not None:
        check_data(folder / INPUT, splits)
        use_recorded_kernel(folder / VERSIONS)
    validation = open_validation(run, splits, data_folder, resumed=folder / INPUT if earlier is not None else None)
    backbone, loss = build_model(run, train, group)
    run = world.same(decided(run, backbone, train.inputs[:1], device))
    use_kernel(world.same(kernel()))
    backbone, loss = backbone.to(device), loss.to(device)
    backbone, net = parallel(backbone, world, sharded=run.shard == "backbone")
    optimizer = build_optimizer(run, backbone, loss)
    position = Position()
    batches_an_epoch = len(order(len(train), run.batch_size, run.seed, 0))
    steps_an_epoch = -(-batches_an_epoch // run.accumulate)
    total_steps = run.epochs * steps_an_epoch
    if earlier is not None:
        if group is None:
            position = load_checkpoint(folder / LAST, backbone, loss, optimizer.members, classes=train.classes)
        else:
            from .shared_checkpoint import load_shared  # loads torch.distributed.checkpoint, which takes seconds

            position = load_shared(folder, backbone, loss, optimizer.members, group, classes=train.classes)
        _check_extension(earlier, run, position, steps_an_epoch)
    world.wait()  # nobody writes before all have looked
    writer = RunWriter(folder, run, splits, backbone, loss, optimizer, position, world, validation)
    objective = run.objective.for_counts(counts_of(train))
    images, labels = train.inputs.to(device), train.labels.to(device)
    seen = 0

    stop = Stop() if stop is None else stop
    try:
        with stop_on_signals(stop):
            window = time.perf_counter()
            for epoch in range(position.epoch, run.epochs):
                batches = order(len(train), run.batch_size, run.seed, epoch)
                backbone.train()
                loss.train()
                for index in range(position.batch, len(batches), run.accumulate):
                    step = position.step + 1
                    together = batches[index : index + run.accumulate]
                    num_rows = sum(map(len, together))
                    logs = step % run.log_every == 0 or step == total_steps
                    loss.head.margin = objective.margin_at(step)
                    in_force = _numbers(loss.head.margin_in_force())
                    for settings in optimizer.param_groups:
                        settings["lr"] = learning_rate(run, step, total_steps) * settings["factor"]

                    optimizer.zero_grad()
                    measured = StepMetrics(world)
                    for number, batch in enumerate(together, start=epoch * len(batches) + index + 1):
                        seed_draws(run.seed, number)
                        own = world.rows(len(batch))
                        rows = batch[own].to(device)
                        x = augment(
                            images.index_select(0, rows), shift=run.shift, flip=run.flip, seed=run.seed, step=number,
                            num_rows=len(batch), own=own,
                        )  # fmt: skip
                        y = labels[rows]
                        with gradients(net, complete=batch is together[-1]):
                            with precision(run, device):
                                features = net(to_input(x, run))
                            parts = loss(features, y)
                            if logs:
                                measured.add(loss, features, y, parts, len(batch))
                            (parts.total * (len(batch) / num_rows)).backward()
                        loss.after_backward(features, y, parts)
                    if run.clip_norm:
                        clip(optimizer.parameters(), loss.shares(), run.clip_norm, world)
                    optimizer.step()

                    position = replace(position, step=step, batch=min(index + run.accumulate, len(batches)))
                    stop.step = step
                    seen += num_rows
                    if logs:
                        metrics: Metrics = {
                            "kind": "train",
                            "step": step,
                            "epoch": epoch + position.batch / len(batches),
                            **measured.means(),
                            "learning_rate": learning_rate(run, step, total_steps),
                            "images_per_second": seen / (time.perf_counter() - window),
                            "margin": in_force,
                            "terms": measured.terms(),
                        }
                        window, seen = time.perf_counter(), 0
                        check_loss(metrics["loss"], step, folder / LAST)
                        writer.write(position, metrics, checkpoint=False)
                        yield metrics
                    world.share(stop, device)
                    if stop.requested or (run.save_every and step % run.save_every == 0):
                        writer.write(position)
                    if stop.requested:
                        return
                position = replace(position, epoch=epoch + 1, batch=0)
                metrics = {"kind": "test", "step": position.step, "epoch": epoch + 1}
                if splits.kind != "identity":
                    metrics["accuracy"] = accuracy(backbone, loss, test, run, device, world)
                position, best, figures = end_of_epoch(position, metrics, validation, backbone, run, device)
                if figures is not None:
                    writer.write(position, figures, checkpoint=False)
                writer.write(position, metrics, best=best)
                window, seen = time.perf_counter(), 0
                yield from (line for line in (figures, metrics) if line is not None)
                world.share(stop, device)
                if stop.requested:
                    return
    finally:
        writer.close()


def accuracy(
    backbone: nn.Module, loss: JointLoss, dataset: Dataset, run: Run, device: torch.device, world: World
) -> float:
    """Share of rows whose class has the largest logit; the rows are shared among the ranks."""
    loss.eval()
    right = torch.zeros((), dtype=torch.long, device=device)
    for x, y in extract(backbone, dataset, device, run=run, world=world):
        right += (loss.predict(x) == y).sum()
    return int(world.sum(right)) / len(dataset)


def _check_extension(earlier: Run, run: Run, position: Position, steps_an_epoch: int) -> None:
    """Warn of what another number of epochs does to the rest of a run."""
    begun = position.epoch + (position.batch > 0)
    if run.epochs == earlier.epochs:
        return
    if run.epochs < begun:
        raise TrainingError(f"epochs is {run.epochs}, but the run has begun epoch {begun}: pass at least {begun}")
    step = position.step + 1
    before, now = (learning_rate(one, step, one.epochs * steps_an_epoch) for one in (earlier, run))
    warnings.warn(
        f"the run goes to epoch {run.epochs} instead of {earlier.epochs}: its {run.schedule} learning rate now spans "
        f"{run.epochs * steps_an_epoch} steps, and is {now:.3g} at step {step}, where it was {before:.3g}",
        stacklevel=3,
    )


def _numbers(margin: object) -> dict[str, float]:
    """The margin's fields in force, as plain numbers for the log."""
    values = {field.name: getattr(margin, field.name) for field in fields(margin)}  # type: ignore[arg-type]
    return {
        name: float(value.detach()) if isinstance(value, Tensor) else float(value)
        for name, value in values.items()
        if isinstance(value, int | float | Tensor) and not isinstance(value, bool)
    }
