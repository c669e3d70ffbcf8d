"""Every loss on classes unseen in training, beside raw pixels and the rival's losses in the same loop.

python -m benchmarks.open_set DATA [--preset smoke|default|full] [--out runs/open_set] [--page docs/DATA.md]

DATA is glyphs-jis, glyphs-jis-fonts or faces-orl. One recipe for all losses of a data set (`open_set_recipes.py`).
Writes OUT/DATA/PRESET/LOSS-SEED.json, a trial each, and from them PAGE and PAGE's name .json. Trials that are there
already are taken as they are; two at a time, a thread each. smoke takes seconds, full as many epochs again.
"""

import argparse
import json
import multiprocessing
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

from benchmarks.open_set.page import page
from benchmarks.open_set.recipes import RECIPES
from benchmarks.open_set.trial import RAW, Trial, run_trial
from cones.common.atomic_files import write_text

SMOKE = ("Softmax", "ArcFace")
Results = dict[str, list[dict[str, Any]]]


def trials(data: str, preset: str) -> list[Trial]:
    """All trials of a table, seed after seed."""
    recipe = RECIPES[data]
    names = [RAW, *recipe.losses, *recipe.rivals]
    seeds, epochs = recipe.seeds, 0
    if preset == "smoke":
        names, seeds, epochs = [RAW, *SMOKE, next(iter(recipe.rivals))], 2, 1
    if preset == "full":
        epochs = 3 * recipe.run.epochs
    once = [] if recipe.new_split else [Trial(data, RAW, 0)]  # pixels do not depend on a seed
    return once + [
        Trial(data, name, seed, epochs) for seed in range(seeds) for name in names if recipe.new_split or name != RAW
    ]


def file_of(trial: Trial, folder: Path) -> Path:
    """Return the path of a trial's figures."""
    return folder / f"{trial.loss.replace(' ', '_')}-{trial.seed}.json"


def main() -> None:
    """Run what is missing, write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", choices=RECIPES)
    parser.add_argument("--preset", choices=("smoke", "default", "full"), default="default")
    parser.add_argument("--out", type=Path, default=Path("runs/open_set"))
    parser.add_argument("--page", type=Path)
    parser.add_argument("--redraw", action="store_true", help="run nothing: the page from the trials that are there")
    given = parser.parse_args()
    folder = given.out / given.data / given.preset
    folder.mkdir(parents=True, exist_ok=True)
    todo = trials(given.data, given.preset)
    missing = [] if given.redraw else [trial for trial in todo if not file_of(trial, folder).exists()]
    begin = time.perf_counter()
    # one reads, and fetches where that is needed, before two do
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as pool:
        running = {}
        for place, trial in enumerate(missing):
            running[pool.submit(run_trial, trial)] = trial
            if place == 0:
                next(iter(running)).result()
        for done, future in enumerate(as_completed(running), start=1):
            trial, found = running[future], future.result()
            write_text(file_of(trial, folder), json.dumps(found) + "\n")
            shown = found.get("error") or "  ".join(f"{value:.3f}" for value in found["tar"])
            print(
                f"{done}/{len(missing)}  {trial.loss} seed {trial.seed}  {shown}  {found['seconds']:.0f} s", flush=True
            )
    results: Results = {}
    for trial in todo:
        if file_of(trial, folder).exists():
            results.setdefault(trial.loss, []).append(json.loads(file_of(trial, folder).read_text(encoding="utf-8")))
    out = given.page or Path("docs") / f"{given.data}.md"
    write_text(out, page(given.data, given.preset, results))
    print(f"{out}  after {(time.perf_counter() - begin) / 60:.0f} minutes")


if __name__ == "__main__":
    main()
