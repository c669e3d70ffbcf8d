"""The page of a results table: figures with intervals, what they say, and how they were made."""

from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.machine import machine
from benchmarks.open_set.recipes import RECIPES, RIVAL_OF, Recipe

RAW = "raw pixels"
REPEATS = 4000
CONFIDENCE = 0.95
Array = npt.NDArray[np.float64]
Trials = list[dict[str, Any]]

PAGE = """\
# {data}: every loss on classes never seen

Made by

```sh
python -m benchmarks.open_set {data}{preset}
```

{about}

The same for all losses: {net}, {epochs} epochs, batches of {batch},
SGD with momentum {momentum} and a cosine schedule from {rate}, {precision}, {seeds} seeds{split}.
{chosen}

{task} torch {torch}, {cores} cores, {minutes:.0f} minutes
of two processes with a thread each.

{table}

## What it says

{findings}

## How to read it

- **TAR at FAR {far:g}**: share of the genuine pairs accepted at the lowest threshold at which no more than {far:g} of
  the impostor pairs are; of all {pairs} pairs of a test, exactly. No rate is told that the
  pairs cannot carry: {least}.
- **In brackets**: a 95 % interval of the mean over the seeds. It counts what other seeds{and_splits} and other test
  classes would have given: {repeats:,} times seeds, and for each of them classes, are drawn with replacement.
- **to Softmax**: the difference, with its own interval: seeds and classes are drawn alike for both, so that what is
  hard for both does not count.
- rank 1: of probes against a gallery of one sample a class, half of the classes in it. R@1 and MAP@R: each sample
  against all others. Fisher: angular Fisher score, within over between, smaller is narrower. s: seconds of training.
- Losses that do not help are shown like those that do. One recipe for all is fair to none: each loss would gain by
  settings of its own.
- {rival} is trained in the same loop from the same start; only the module between features and
  loss is theirs.

## The losses as they were trained

{losses}
"""


def page(data: str, preset: str, results: dict[str, Trials]) -> str:
    """The page as Markdown, from the figures of each loss by seed."""
    recipe = RECIPES[data]
    run, told = recipe.run, machine()
    good = {name: [one for one in found if "error" not in one] for name, found in results.items()}
    broken = {name: found[0].get("error") or "one seed failed" for name, found in results.items()
              if len(good[name]) < len(found)}  # fmt: skip
    whole = {name: found for name, found in good.items() if name not in broken}
    pairs = whole[RAW][0]["genuine"] + whole[RAW][0]["impostors"]
    minutes = sum(one["seconds"] + one.get("measured_in", 0) for found in results.values() for one in found) / 120
    lowest = min(recipe.far)
    return PAGE.format(
        data=data,
        preset="" if preset == "default" else f" --preset {preset}",
        about=recipe.about,
        net=run.backbone.rpartition(":")[2],
        epochs=run.epochs,
        batch=run.batch_size,
        momentum=run.momentum,
        rate=run.learning_rate,
        precision=run.precision,
        seeds=max(len(found) for found in results.values()),
        split=", each with a split of its own" if recipe.new_split else "",
        chosen=recipe.chosen,
        task=f"{whole[RAW][0]['genuine']:,} genuine and {whole[RAW][0]['impostors']:,} impostor pairs a test.",
        torch=told["torch"],
        cores=told["cores"],
        minutes=minutes,
        table=_table(recipe, whole, broken),
        findings=_findings(recipe, whole),
        far=recipe.far[0],
        pairs=f"{pairs:,}",
        least=f"{lowest:g} is {lowest * whole[RAW][0]['impostors']:,.0f} impostor pairs",
        and_splits=", other splits" if recipe.new_split else "",
        repeats=REPEATS,
        rival="pytorch-metric-learning",
        losses="\n".join(f"- {name}: `{text}`" for name, text in recipe.losses.items() if name in results),
    )


def drawn(recipe: Recipe, found: Trials, other: Trials | None = None) -> Array:
    """TAR (REPEATS,), the mean over drawn seeds and classes; or its difference to another loss, drawn alike."""
    random = np.random.default_rng(0)
    draws = np.array([one["draws"] for one in found], dtype=np.float64)
    if other is not None:
        draws = draws - np.array([one["draws"] for one in other], dtype=np.float64)
    seeds, resamples = draws.shape
    chosen = random.integers(seeds, size=(REPEATS, seeds))
    # where all seeds are tested on the same classes, these are drawn once for all of them
    classes = random.integers(resamples, size=(REPEATS, seeds if recipe.new_split else 1))
    means: Array = np.nanmean(draws[chosen, np.broadcast_to(classes, chosen.shape)], axis=1)
    return means


def interval(values: Array) -> tuple[float, float]:
    """Its percentiles."""
    low, high = np.quantile(values, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return float(low), float(high)


def _tar(found: Trials) -> float:
    return float(np.mean([one["tar"][0] for one in found]))


def _table(recipe: Recipe, whole: dict[str, Trials], broken: dict[str, str]) -> str:
    more = recipe.far[1:]
    head = ["loss", f"TAR at {recipe.far[0]:g}", "to Softmax", *[f"at {rate:g}" for rate in more]]
    head += ["EER", "rank 1", "R@1", "MAP@R", "Fisher", "s"]
    lines = ["| " + " | ".join(head) + " |", "| --- |" + " ---: |" * (len(head) - 1)]
    ordered = sorted(whole, key=lambda name: -_tar(whole[name]))
    for name in ordered:
        found = whole[name]
        cells = [f"{name}", _percent(_tar(found), interval(drawn(recipe, found))), _to_softmax(recipe, whole, name)]
        cells += [_mean([one["tar"][place] for one in found]) for place in range(1, len(recipe.far))]
        cells += [_mean([one[key] for one in found]) for key in ("eer", "rank_1", "recall_1", "map_at_r")]
        cells += [
            f"{np.mean([one['fisher'] for one in found]):.3f}",
            f"{np.mean([one['seconds'] for one in found]):.0f}",
        ]
        lines.append("| " + " | ".join(cells) + " |")
    lines += [f"| {name} | n/a: {why} |" + " |" * (len(head) - 2) for name, why in broken.items()]
    return "\n".join(lines)


def _to_softmax(recipe: Recipe, whole: dict[str, Trials], name: str) -> str:
    if name in ("Softmax", RAW) or "Softmax" not in whole:
        return ""
    return _difference(recipe, whole[name], whole["Softmax"])


def _difference(recipe: Recipe, one: Trials, other: Trials) -> str:
    low, high = interval(drawn(recipe, one, other))
    return f"{100 * (_tar(one) - _tar(other)):+.1f} ({100 * low:+.1f}, {100 * high:+.1f})"


def _percent(value: float, ends: tuple[float, float]) -> str:
    return f"**{100 * value:.1f}** ({100 * ends[0]:.1f}, {100 * ends[1]:.1f})"


def _mean(values: list[float | None]) -> str:
    return "n/a" if None in values else f"{100 * np.mean(np.array(values, dtype=np.float64)):.1f}"


def _findings(recipe: Recipe, whole: dict[str, Trials]) -> str:
    ours = [name for name in whole if name not in recipe.rivals and name != RAW]
    best = max(ours, key=lambda name: _tar(whole[name]))
    lines = []
    if "Softmax" in whole and best != "Softmax":
        softmax = whole["Softmax"]
        low, high = interval(drawn(recipe, softmax))
        beyond = "beyond" if _tar(whole[best]) > high else "within"
        lines.append(
            f"The best loss, {best}, has a TAR of {100 * _tar(whole[best]):.1f} %, {beyond} the interval of Softmax, "
            f"{100 * low:.1f} to {100 * high:.1f}; the difference is {_difference(recipe, whole[best], softmax)}."
        )
        to_softmax = {name: interval(drawn(recipe, whole[name], softmax)) for name in ours if name != "Softmax"}
        better = [name for name, (low, _) in to_softmax.items() if low > 0]
        worse = [name for name, (_, high) in to_softmax.items() if high < 0]
        lines.append(
            f"Of {len(to_softmax)} losses {len(better)} are better than Softmax beyond the interval of the difference, "
            f"{len(worse)} worse{': ' + ', '.join(worse) if worse else ''}."
        )
    for rival in recipe.rivals:
        if rival in whole and RIVAL_OF[rival] in whole:
            mine = RIVAL_OF[rival]
            low, high = interval(drawn(recipe, whole[mine], whole[rival]))
            verdict = "below it" if high < 0 else "above it" if low > 0 else "no difference beyond the interval"
            lines.append(f"{mine} to {rival}: {_difference(recipe, whole[mine], whole[rival])}, {verdict}.")
    return "\n".join(f"- {line}" for line in [*lines, *recipe.notes])
