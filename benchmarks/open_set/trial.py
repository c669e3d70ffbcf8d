"""One trial of the open-set benchmark: a net trained under one loss, and its figures on unseen classes.

Losses of cones and of the rival go through the same loop: same start, same batches, same optimiser.
"""

import time
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.differences.peers import pml_loss, pml_losses
from benchmarks.open_set.recipes import RECIPES, Recipe
from cones.data import Dataset, Splits
from cones.evaluation import gallery_probe_split, geometry, identification, retrieval, verification_in_detail
from cones.training import Run
from cones.training._optimizer import build_optimizer, learning_rate
from cones.training.batches import augment, order, to_float, to_input
from cones.training.data import counts_of, read_data
from cones.training.features import extract, precision
from cones.training.model import build_model

RAW = "raw pixels"
DRAWS = 200
"""Draws of subjects, for the intervals."""

CPU = torch.device("cpu")


@dataclass(frozen=True)
class Trial:
    """One loss of a recipe, with one seed.

    Attributes:
        data: name of the recipe.
        loss: name of the loss or of the rival, or RAW.
        seed: of start and batches, and of the split where the recipe says so.
        epochs: instead of the recipe's; 0 for those.
    """

    data: str
    loss: str
    seed: int
    epochs: int = 0


class Rival(nn.Module):
    """A loss of pytorch-metric-learning in the place of a joint loss."""

    def __init__(self, name: str, settings: dict[str, float], weight: Tensor) -> None:
        super().__init__()
        loss = pml_loss(name, weight, **settings)
        self.head = nn.Module()
        self.head.weight = loss.W  # the name under which the optimiser looks for class weights
        self.loss = loss

    def forward(self, features: Tensor, labels: Tensor) -> Tensor:
        """The mean loss of features (N, D) and labels (N,)."""
        return pml_losses(self.loss, features.float(), labels).mean()


def run_trial(trial: Trial) -> dict[str, Any]:
    """Train and measure; what diverges says so."""
    recipe = RECIPES[trial.data]
    run = run_of(recipe, trial)
    torch.set_num_threads(run.threads or 1)
    splits = data_of(replace(run, loss="Softmax", seed=trial.seed if recipe.new_split else 0))
    test = samples_of(splits.test, recipe.every)
    begin = time.perf_counter()
    if trial.loss == RAW:
        features = to_float(test.inputs).flatten(1)
    else:
        try:
            features = trained(recipe, trial, run, splits.train, test)
        except FloatingPointError as error:
            return {"error": str(error), "seconds": time.perf_counter() - begin}
    middle = time.perf_counter()
    found = figures(features, test.labels, recipe.far)
    return {**found, "seconds": middle - begin, "measured_in": time.perf_counter() - middle}


def run_of(recipe: Recipe, trial: Trial) -> Run:
    """The settings of a trial."""
    loss = recipe.losses.get(trial.loss, "Softmax")
    return replace(recipe.run, loss=loss, seed=trial.seed, epochs=trial.epochs or recipe.run.epochs)


@cache
def data_of(run: Run) -> Splits:
    """The data, read once in each process."""
    return read_data(run)


def samples_of(test: Dataset, every: int) -> Dataset:
    """Every `every`-th sample of each class, in the order of the set."""
    by_class = test.labels.argsort(stable=True)
    counts = torch.bincount(test.labels)
    within = torch.arange(len(test)) - (counts.cumsum(0) - counts)[test.labels[by_class]]
    return test.select(by_class[within % every == 0].sort().values)


def trained(recipe: Recipe, trial: Trial, run: Run, train: Dataset, test: Dataset) -> Tensor:
    """Features (N, D) of the test samples after training.

    Raises:
        FloatingPointError: the loss is no longer finite.
    """
    backbone, joint = build_model(run, train)
    loss: nn.Module = joint
    if trial.loss in recipe.rivals:
        loss = Rival(*recipe.rivals[trial.loss], joint.head.weight)
    optimizer = build_optimizer(run, backbone, loss)
    objective = run.objective.for_counts(counts_of(train))
    total_steps = run.epochs * len(order(len(train), run.batch_size, run.seed, 0))
    step = 0
    for epoch in range(run.epochs):
        backbone.train()
        for rows in order(len(train), run.batch_size, run.seed, epoch):
            step += 1
            x = augment(train.inputs[rows], shift=run.shift, flip=run.flip, seed=run.seed, step=step)
            y = train.labels[rows]
            joint.head.margin = objective.margin_at(step)
            for group in optimizer.param_groups:
                group["lr"] = learning_rate(run, step, total_steps) * group["factor"]
            with precision(run, CPU):
                features = backbone(to_input(x, run))
            value = loss(features, y) if isinstance(loss, Rival) else loss(features, y).total
            if not torch.isfinite(value):
                raise FloatingPointError(f"the loss is {value.item()} at step {step}")
            optimizer.zero_grad()
            value.backward()
            nn.utils.clip_grad_norm_([p for group in optimizer.param_groups for p in group["params"]], run.clip_norm)
            optimizer.step()
            joint.after_backward(features, y)
    with torch.no_grad():
        return torch.cat([found.float() for found, _ in extract(backbone, test, CPU, run=run)])


def figures(features: Tensor, labels: Tensor, far: tuple[float, ...]) -> dict[str, Any]:
    """Return the figures of the table, and the draws of TAR at the first rate."""
    found = verification_in_detail(features, labels, far, resamples=DRAWS)
    assert found.draws is not None
    split = gallery_probe_split(labels, unmated=0.5)
    known = identification(
        features[split.gallery], labels[split.gallery], features[split.probes], labels[split.probes],
        far=(0.01,), resamples=0,
    )  # fmt: skip
    near = retrieval(features, labels, restarts=0, resamples=0)
    shape = geometry(features, labels)
    assert known.cmc is not None
    return {
        "tar": [at.tar for at in found.figures.tar],
        "draws": found.draws[:, 0].tolist(),
        "genuine": found.figures.genuine,
        "impostors": found.figures.impostors,
        "eer": found.figures.eer,
        "rank_1": known.cmc[0],
        "dir": known.open_set[0].dir,
        "recall_1": near.recall[0],
        "map_at_r": near.map_at_r,
        "fisher": shape.angular_fisher_score,
        "intra": shape.mean_intra_angle,
    }
