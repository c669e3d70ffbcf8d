"""Accuracy on unseen kanji, time and memory, where a step takes a share of the classes.

python -m benchmarks.sampling [--preset smoke|default] [--out runs/sampling] [--page docs/sampling.md] [--redraw]

Writes OUT/PRESET/RATE-NORMALISER-SEED.json, a trial each, OUT/PRESET/layer.json, and PAGE from them. Trials that are
there already are taken as they are; two at a time, a thread each. The layer is measured first, with nothing beside it.
smoke takes seconds: faces instead of kanji, one epoch, a small layer.
"""

import argparse
import json
import multiprocessing
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

from benchmarks.open_set.recipes import RECIPES
from benchmarks.sampling.layer import bias, layer_steps
from benchmarks.sampling.page import Results, page
from benchmarks.sampling.trial import Trial, run_trial
from cones.common.atomic_files import write_text

RATES = (1.0, 0.5, 0.3, 0.1)
NUM_CLASSES, DRAWN = 100, 10


def trials(preset: str) -> list[Trial]:
    """All trials of the table, seed after seed."""
    smoke = preset == "smoke"
    data = "faces-orl" if smoke else "glyphs-jis"
    cases = [
        (rate, normaliser)
        for rate in (RATES[::2] if smoke else RATES)
        for normaliser in (("sampled", "all") if rate < 1 else ("sampled",))
    ]
    epochs = 1 if smoke else RECIPES[data].run.epochs
    return [Trial(data, *case, seed, epochs) for seed in range(1 if smoke else RECIPES[data].seeds) for case in cases]


def file_of(trial: Trial, folder: Path) -> Path:
    """Return the path of a trial's figures."""
    return folder / f"{trial.rate:g}-{trial.normaliser}-{trial.seed}.json"


def measure_layer(preset: str) -> dict[str, Any]:
    """Time, memory and bias of the layer, with the sizes they were taken at."""
    smoke = preset == "smoke"
    sizes = {"K": 2_000 if smoke else 100_000, "D": 256, "N": 64 if smoke else 512, "rounds": 2 if smoke else 15}
    steps = layer_steps(
        [(1.0, "sampled"), (0.1, "sampled"), (0.1, "all")], sizes["K"], sizes["D"], sizes["N"], sizes["rounds"]
    )
    draws = 50 if smoke else 2000
    ways = bias(NUM_CLASSES, DRAWN / NUM_CLASSES, draws)
    return {"sizes": sizes, "steps": steps, "bias": {"drawn": DRAWN, "of": NUM_CLASSES, "draws": draws, "ways": ways}}


def main() -> None:
    """Run what is missing, write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", choices=("smoke", "default"), default="default")
    parser.add_argument("--out", type=Path, default=Path("runs/sampling"))
    parser.add_argument("--page", type=Path, default=Path("docs/sampling.md"))
    parser.add_argument("--redraw", action="store_true", help="run nothing: the page from the trials that are there")
    given = parser.parse_args()
    folder = given.out / given.preset
    folder.mkdir(parents=True, exist_ok=True)
    if not given.redraw and not (folder / "layer.json").exists():
        write_text(folder / "layer.json", json.dumps(measure_layer(given.preset)) + "\n")
    todo = trials(given.preset)
    missing = [] if given.redraw else [trial for trial in todo if not file_of(trial, folder).exists()]
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as pool:
        running = {}
        for place, trial in enumerate(missing):
            running[pool.submit(run_trial, trial)] = trial
            if place == 0:  # one reads, and fetches where that is needed, before two do
                next(iter(running)).result()
        for done, future in enumerate(as_completed(running), start=1):
            trial, found = running[future], future.result()
            write_text(file_of(trial, folder), json.dumps(found) + "\n")
            shown = f"TAR {found['tar'][0]:.3f}  {found['step_ms']:.1f} ms a step"
            print(f"{done}/{len(missing)}  {file_of(trial, Path()).stem}  {shown}", flush=True)
    results: Results = {}
    for trial in todo:
        found = json.loads(file_of(trial, folder).read_text(encoding="utf-8"))
        results.setdefault((trial.rate, trial.normaliser), []).append(found)
    layer = json.loads((folder / "layer.json").read_text(encoding="utf-8"))
    write_text(given.page, page(given.preset, todo[0].data, results, layer))
    print(given.page)
