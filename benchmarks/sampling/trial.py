"""One trial: a net trained with a share of the classes a step, and its figures on unseen classes."""

import statistics
import time
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.open_set.recipes import RECIPES
from benchmarks.open_set.trial import data_of, figures, samples_of
from cones import ClassSGD
from cones.data import Dataset
from cones.training import Run
from cones.training._optimizer import build_optimizer, learning_rate
from cones.training.batches import augment, order, to_input
from cones.training.features import extract, precision
from cones.training.model import build_model

LOSS = "ArcFace"
CPU = torch.device("cpu")


@dataclass(frozen=True)
class Trial:
    """Settings of a trial.

    Attributes:
        data: name of the recipe.
        rate: chance of a class to take part in a step.
        normaliser: of the head.
        seed: of start, batches and draws.
        epochs: instead of the recipe's; 0 for those.
    """

    data: str
    rate: float
    normaliser: str
    seed: int
    epochs: int = 0


def run_trial(trial: Trial) -> dict[str, Any]:
    """Train and measure."""
    recipe = RECIPES[trial.data]
    epochs = trial.epochs or recipe.run.epochs
    run = replace(recipe.run, loss=recipe.losses[LOSS], seed=trial.seed, epochs=epochs)
    torch.set_num_threads(run.threads or 1)
    splits = data_of(replace(run, loss="Softmax", seed=trial.seed if recipe.new_split else 0))
    test = samples_of(splits.test, recipe.every)
    features, seconds = _trained(trial, run, splits.train, test)
    found = figures(features, test.labels, recipe.far)
    sizes = {"num_classes": splits.train.num_classes, "epochs": run.epochs}
    return {**found, **sizes, "step_ms": 1e3 * statistics.median(seconds), "seconds": sum(seconds)}


def _trained(trial: Trial, run: Run, train: Dataset, test: Dataset) -> tuple[Tensor, list[float]]:
    """Features (N, D) of the test samples after training, and the seconds of each step."""
    backbone, joint = build_model(run, train)
    head = joint.head
    head.sample_rate, head.normaliser = trial.rate, trial.normaliser  # type: ignore[assignment]
    optimizer = build_optimizer(run, backbone, nn.Module())
    classes = ClassSGD(head, run.learning_rate, momentum=run.momentum, weight_decay=run.weight_decay)
    total_steps = run.epochs * len(order(len(train), run.batch_size, run.seed, 0))
    seconds: list[float] = []
    torch.manual_seed(run.seed)
    for epoch in range(run.epochs):
        backbone.train()
        for rows in order(len(train), run.batch_size, run.seed, epoch):
            step = len(seconds) + 1
            start = time.perf_counter()
            x = augment(train.inputs[rows], shift=run.shift, flip=run.flip, seed=run.seed, step=step)
            for group in [*optimizer.param_groups, *classes.param_groups]:
                group["lr"] = learning_rate(run, step, total_steps)
            with precision(run, CPU):
                features = backbone(to_input(x, run))
            optimizer.zero_grad()
            head(features, train.labels[rows]).backward()
            nn.utils.clip_grad_norm_(backbone.parameters(), run.clip_norm)
            optimizer.step()
            classes.step()
            seconds.append(time.perf_counter() - start)
    with torch.no_grad():
        return torch.cat([found.float() for found, _ in extract(backbone, test, CPU, run=run)]), seconds
