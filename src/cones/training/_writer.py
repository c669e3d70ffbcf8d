"""Files that a run writes while it trains; where its folder goes away, its state goes to another place."""

import time
from dataclasses import replace
from pathlib import Path

from torch import nn

from ..common.atomic_files import write_text
from ..common.run_folder import BEST, CONFIG, INPUT, LAST, METRICS, VERSIONS
from ..data import Splits
from ._errors import TrainingError
from ._finite import check_weights
from ._folder import Home, rescue, writing_to
from ._metrics import Metrics, MetricsLog
from ._optimizer import Optimizers
from ._run import Run, write_run
from ._validation_set import ValidationSet
from ._versions import write_versions
from ._world import World
from .checkpoint import CheckpointError, Position, save_checkpoint, save_weights
from .input import write_input


class RunWriter:
    """Settings, metrics and weights of a run in its folder.

    Args:
        folder: of the run; made if missing.
        run: its settings.
        splits: its data.
        backbone: whose weights are written.
        loss: whose weights are written.
        optimizer: whose state a checkpoint holds.
        position: where the run begins or goes on.
        world: the ranks; the first one writes, and each checks its own numbers.
        validation: the set that it is validated on; None for none.

    Raises:
        TrainingError: the folder cannot be written to.
        ModuleNotFoundError: TensorBoard is asked for and not installed.
    """

    def __init__(
        self,
        folder: Path,
        run: Run,
        splits: Splits,
        backbone: nn.Module,
        loss: nn.Module,
        optimizer: Optimizers,
        position: Position,
        world: World,
        validation: ValidationSet | None = None,
    ) -> None:
        self._world, self._validation = world, validation
        self._folder, self._run, self._splits = folder, run, splits
        self._backbone, self._loss, self._optimizer = backbone, loss, optimizer
        self._before, self._since = position.seconds, time.perf_counter()
        self._log: MetricsLog | None = None
        self._home: Home | None = None
        if not world.leads:
            return
        with writing_to(folder):
            self._write_settings(folder, position)
            self._log = MetricsLog(folder, step=position.step, tensorboard=run.tensorboard)
            self._home = Home(folder)

    def write(
        self, position: Position, metrics: Metrics | None = None, *, best: bool = False, checkpoint: bool = True
    ) -> None:
        """Write a line of metrics, the best weights and a checkpoint, as asked.

        Raises:
            TrainingError: a number is not finite; or the folder cannot be written to any more, and the error says
                where the checkpoint is.
        """
        position = replace(position, seconds=self._before + time.perf_counter() - self._since)
        if best or checkpoint:
            check_weights((self._backbone, self._loss), position.step, self._folder / LAST)
        try:
            if metrics is not None and self._log is not None:
                self._log.write(metrics)
            if self._home is not None:
                self._home.check()
            if best:
                self._save_best(position)
            if checkpoint:
                self._save(self._folder, position)
        except (OSError, CheckpointError) as error:
            if self._world.group is not None:  # what is of many ranks cannot be rescued by one
                raise TrainingError(str(error)) from error
            raise rescue(self._folder, error, lambda place: self._write_all(place, position)) from error

    def close(self) -> None:
        """Close the files."""
        if self._log is not None:
            self._log.close()

    def _write_all(self, place: Path, position: Position) -> None:
        assert self._log is not None
        self._write_settings(place, position)
        write_text(place / METRICS, self._log.text())
        self._save(place, position)

    def _write_settings(self, place: Path, position: Position) -> None:
        write_run(place / CONFIG, self._run)
        write_input(place / INPUT, self._splits, self._validation)
        write_versions(place / VERSIONS, position.step)

    def _save_best(self, position: Position) -> None:
        names, world = self._splits.train.classes, self._world
        if world.group is None:
            save_weights(self._folder / BEST, self._backbone, self._loss, position, classes=names)
        else:
            from .shared_checkpoint import save_shared_weights  # loads torch.distributed.checkpoint: seconds

            save_shared_weights(self._folder, self._backbone, self._loss, position, world.group, classes=names)

    def _save(self, place: Path, position: Position) -> None:
        names, world, members = self._splits.train.classes, self._world, self._optimizer.members
        if world.group is None:
            save_checkpoint(place / LAST, self._backbone, self._loss, members, position, classes=names)
        else:
            from .shared_checkpoint import save_shared

            save_shared(place, self._backbone, self._loss, members, position, world.group, classes=names)
