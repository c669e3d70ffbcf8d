"""The trainer: Algorithm 1 of center loss and its generalisation, one loop to read from top to bottom."""

import math
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields, replace
from pathlib import Path
from types import FrameType

import torch
from torch import Tensor, nn

from ..backbones import build
from ..data import Dataset, Splits, load
from ._batches import augment, lies_channels_last, order, to_input
from ._checkpoint import Position, load_checkpoint, save_checkpoint, save_weights
from ._features import extract, precision
from ._input import write_input
from ._joint import JointLoss, build_loss
from ._metrics import Metrics, MetricsLog
from ._optimizer import build_optimizer, learning_rate
from ._run import WITHOUT_EFFECT, Run, loss_beside, read_run, write_run

LAST, BEST, INPUT = "last.safetensors", "best.safetensors", "input.json"


class TrainingError(RuntimeError):
    """A run cannot start or go on; its last checkpoint is as it was."""


def fit(run: Run, folder: Path, *, resume: bool = False, data_folder: Path | None = None) -> Iterator[Metrics]:
    """Train, and yield the metrics of every few steps ("train") and of every epoch ("test") as they come.

    Line by line Algorithm 1, with any backbone, margin and feature losses: forward, joint loss, backward, step of W
    and of the backbone, then the centers' own update. The folder receives config.toml, input.json, metrics.jsonl,
    last.safetensors (all a resumed run needs) and best.safetensors (weights of the best epoch).

    A key press (Ctrl-C) ends the run after the step under way, with a checkpoint written.

    Args:
        run: what to train.
        folder: where to write; made if missing.
        resume: whether to go on from the folder's last checkpoint, bit by bit as if the run had never stopped.
            Without a checkpoint the run starts at its beginning.
        data_folder: where named data sets are kept; None for the usual place.

    Yields:
        metrics, as they are written to metrics.jsonl.

    Raises:
        TrainingError: the folder holds another run, the loss is no longer finite, or data and net do not fit.
        CheckpointError: a checkpoint cannot be written or read.
        ValueError, FileNotFoundError: the data are not there or not right.

    Reference: Wen, Zhang, Li, Qiao, "A Discriminative Feature Learning Approach for Deep Face Recognition",
    ECCV 2016, Algorithm 1.
    """
    _check_folder(run, folder, resume)
    if run.threads:
        torch.set_num_threads(run.threads)
    device = pick_device(run.device)
    splits = read_data(run, data_folder)
    train, test = splits.train, splits.test
    backbone, loss = build_model(run, train)
    backbone, loss = backbone.to(device), loss.to(device)
    optimizer = build_optimizer(run, backbone, loss)
    position = Position()
    if resume and (folder / LAST).exists():
        position = load_checkpoint(folder / LAST, backbone, loss, optimizer)
    write_run(folder / "config.toml", run)
    write_input(folder / INPUT, train)
    log = MetricsLog(folder, step=position.step, tensorboard=run.tensorboard)
    objective = run.objective.for_counts(counts_of(train))
    images, labels = train.inputs.to(device), train.labels.to(device)
    total_steps = run.epochs * len(order(len(train), run.batch_size, run.seed, 0))
    before, since, seen = position.seconds, time.perf_counter(), 0

    def save(position: Position) -> Position:
        position = replace(position, seconds=before + time.perf_counter() - since)
        _check_finite(backbone, loss, position.step, folder)
        save_checkpoint(folder / LAST, backbone, loss, optimizer, position)
        return position

    try:
        with stop_on_interrupt() as stop:
            window = time.perf_counter()
            for epoch in range(position.epoch, run.epochs):
                batches = order(len(train), run.batch_size, run.seed, epoch)
                backbone.train()
                loss.train()
                for index in range(position.batch, len(batches)):
                    step = position.step + 1
                    rows = batches[index].to(device)
                    x = augment(images.index_select(0, rows), shift=run.shift, flip=run.flip, seed=run.seed, step=step)
                    y = labels[rows]
                    loss.head.margin = objective.margin_at(step)
                    for group in optimizer.param_groups:
                        group["lr"] = learning_rate(run, step, total_steps) * group["factor"]

                    with precision(run, device):
                        features = backbone(to_input(x, run))
                    parts = loss(features, y)
                    optimizer.zero_grad()
                    parts.total.backward()
                    if run.clip_norm:
                        learnt = [parameter for group in optimizer.param_groups for parameter in group["params"]]
                        nn.utils.clip_grad_norm_(learnt, run.clip_norm)
                    metrics: Metrics | None = None
                    seen += len(rows)
                    if step % run.log_every == 0 or step == total_steps:
                        metrics = {
                            "kind": "train",
                            "step": step,
                            "epoch": epoch + (index + 1) / len(batches),
                            "loss": parts.total.item(),
                            "accuracy": (loss.predict(features) == y).float().mean().item(),
                            "target_cosine": loss.target_cosine(features, y).mean().item(),
                            "learning_rate": learning_rate(run, step, total_steps),
                            "images_per_second": seen / (time.perf_counter() - window),
                            "margin": _numbers(loss.head.margin_in_force()),
                            "terms": {name: part.item() for name, part in parts.terms.items()},
                        }
                        window, seen = time.perf_counter(), 0
                    optimizer.step()
                    loss.after_backward(features, y)

                    position = replace(position, step=step, batch=index + 1)
                    if metrics is not None:
                        _check_loss(metrics["loss"], step, folder)
                        log.write(metrics)
                        yield metrics
                    if stop.is_set() or (run.save_every and step % run.save_every == 0):
                        position = save(position)
                    if stop.is_set():
                        return
                position = replace(position, epoch=epoch + 1, batch=0)
                metrics = {"kind": "test", "step": position.step, "epoch": epoch + 1}
                if splits.kind != "identity":
                    metrics["accuracy"] = accuracy(backbone, loss, test, run, device)
                    if metrics["accuracy"] > position.best_accuracy:
                        position = replace(position, best_accuracy=metrics["accuracy"], best_epoch=epoch + 1)
                        save_weights(folder / BEST, backbone, loss, position)
                elif epoch + 1 == run.epochs:  # with other people in test there is no accuracy to be best at
                    save_weights(folder / BEST, backbone, loss, position)
                log.write(metrics)
                position = save(position)
                window, seen = time.perf_counter(), 0
                yield metrics
    finally:
        log.close()


def read_data(run: Run, data_folder: Path | None = None) -> Splits:
    """The run's train and test data."""
    return load(
        run.data,
        split=run.split,
        test_fraction=run.test_fraction,
        seed=run.seed,
        image_size=run.image_size or None,
        root=data_folder,
    )


def build_model(run: Run, train: Dataset) -> tuple[nn.Module, JointLoss]:
    """Backbone and joint loss of a run, drawn from its seed.

    Raises:
        TrainingError: the backbone does not give one vector a row.
    """
    torch.manual_seed(run.seed)
    backbone, dim = build_backbone(run, train.inputs[:2], trust=run.trust)
    loss = build_loss(run, counts_of(train), dim)
    return backbone, loss.double() if run.precision == "float64" else loss


def build_backbone(run: Run, samples: Tensor, *, trust: bool) -> tuple[nn.Module, int]:
    """Backbone of a run, drawn from PyTorch's random numbers as they stand and tried on a few samples, and its D.

    Raises:
        TrainingError: the backbone does not give one vector a row.
    """
    shape = samples.shape[1:]
    backbone = build(run.backbone, shape, run.feature_dim, run.width, trust=trust)
    if run.precision == "float64":
        backbone = backbone.double()
    if lies_channels_last(run):
        backbone = backbone.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    state = torch.get_rng_state()
    with torch.no_grad():
        try:
            features = backbone.eval()(to_input(samples, run))
        except RuntimeError as error:
            raise TrainingError(
                f"backbone {run.backbone} cannot take inputs of shape {tuple(shape)}: {error}"
            ) from error
    torch.set_rng_state(state)
    if not isinstance(features, Tensor) or features.dim() != 2:
        got = tuple(features.shape) if isinstance(features, Tensor) else type(features).__name__
        raise TrainingError(f"backbone {run.backbone} returned {got}, expected one vector a row, (N, D)")
    return backbone, features.shape[1]


def counts_of(train: Dataset) -> list[int]:
    """The samples of each class."""
    counts: list[int] = torch.bincount(train.labels, minlength=train.num_classes).tolist()
    return counts


def accuracy(backbone: nn.Module, loss: JointLoss, dataset: Dataset, run: Run, device: torch.device) -> float:
    """Share of rows whose class has the largest logit."""
    loss.eval()
    right = sum(int((loss.predict(x) == y).sum()) for x, y in extract(backbone, dataset, device, run=run))
    return right / len(dataset)


def pick_device(name: str) -> torch.device:
    """The device by name; "auto" is a GPU where there is one.

    Raises:
        TrainingError: the device is not there.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise TrainingError(f"device is {name!r}, which is not to be had here ({error}): use cpu or auto") from None
    return device


@contextmanager
def stop_on_interrupt() -> Iterator[threading.Event]:
    """An event that the first Ctrl-C sets, so that a step is never torn; the second Ctrl-C acts as usual."""
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop  # only the main thread may handle signals
        return
    usual = signal.getsignal(signal.SIGINT)

    def handle(number: int, frame: FrameType | None) -> None:
        stop.set()
        signal.signal(signal.SIGINT, usual)

    signal.signal(signal.SIGINT, handle)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, usual)


def _check_folder(run: Run, folder: Path, resume: bool) -> None:
    if not (folder / LAST).exists():
        return
    if not resume:
        raise TrainingError(f"{folder} holds a run already: resume it, or write to another folder")
    other = read_run(folder / "config.toml")
    for field in fields(Run):
        mine, theirs = getattr(run, field.name), getattr(other, field.name)
        if field.name == "loss":
            mine, theirs = str(run.objective), loss_beside(other, run)
        if mine != theirs and field.name not in WITHOUT_EFFECT:
            raise TrainingError(
                f"{folder} holds a run with {field.name} {theirs!r}, not {mine!r}: "
                f"resume it with its own settings, or write to another folder"
            )


def _check_loss(value: float, step: int, folder: Path) -> None:
    if not math.isfinite(value):
        raise TrainingError(
            f"the loss is {value} at step {step}: lower the learning rate or the scale, or warm the margin up; "
            f"{folder / LAST} holds the last good state"
        )


def _check_finite(backbone: nn.Module, loss: nn.Module, step: int, folder: Path) -> None:
    for module in (backbone, loss):
        for name, tensor in module.state_dict().items():
            if not torch.isfinite(tensor).all():
                raise TrainingError(
                    f"{name} is not finite after step {step}: lower the learning rate or warm the margin up; "
                    f"{folder / LAST} holds the last good state"
                )


def _numbers(margin: object) -> dict[str, float]:
    """The margin's fields in force, as plain numbers for the log."""
    values = {field.name: getattr(margin, field.name) for field in fields(margin)}  # type: ignore[arg-type]
    return {
        name: float(value.detach()) if isinstance(value, Tensor) else float(value)
        for name, value in values.items()
        if isinstance(value, int | float | Tensor) and not isinstance(value, bool)
    }
