"""Every loss trained on five thousand digits, in the plane and in 64 dims: does it pass 90 % of the test digits?

python -m benchmarks.losses.every_loss [--out runs/every_loss] [--page docs/mnist5k.md] [--only NAME ...]

One recipe for all: mnist5k, LeNets++ of half width, SGD, the trainer's defaults. Scales and margins are the documented
defaults where these are meant for few classes, and those of `cones suggest --classes 10` where the defaults are for
faces of thousands. Where the text has a schedule, or MHE to spread the class directions, the loss is trained without
that too. Runs that are there already are taken as they are; two at a time, a thread each.
"""

import argparse
import json
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.losses.recipes import RECIPES, Recipe
from benchmarks.machine import machine
from cones.common.atomic_files import write_text
from cones.training import Run, fit, write_results

ENOUGH = 0.9
RUNS = {
    "plane": Run(feature_dim=2, epochs=20, precision="bfloat16", threads=1, tensorboard=False),
    "space": Run(feature_dim=64, epochs=8, precision="bfloat16", threads=1, tensorboard=False),
}

PAGE = """\
# Every loss on five thousand digits

Made by

```sh
python -m benchmarks.losses.every_loss
```

4,000 digits to train on, 1,000 to test (mnist5k), LeNets++ of half width, SGD with the trainer's defaults; in the
plane {plane_epochs} epochs, in 64 dims {space_epochs}; seed 0, bfloat16. torch {torch}. Scales and margins are the
documented defaults where these are meant for few classes, and those of `cones suggest --classes 10 --dim 2` (scale 16,
0.064 in cosine, 0.21 radians) and `--dim 64` (scale 17, 0.33, 0.52) where the defaults are for faces of thousands.

Test accuracy in percent. It says that a loss trains; one seed and ten easy classes do not say which is better.

{table}

## What needs warm-up, annealing or spreading

In 64 dims only L-Softmax and A-Softmax need help: their lambda annealed. In the plane ten class directions have little
room, and under some losses they fall onto one or two lines in the first epoch and stay there: about 20 %. `MHE` keeps
the class directions apart, a warm-up of the margin lets them spread first. The same without that help:

{without}

{notes}
"""


@dataclass(frozen=True)
class Job:
    """One loss in one space."""

    name: str
    space: str
    loss: str
    suffix: str = ""

    @property
    def folder(self) -> str:
        return f"{self.space}-{self.name}{self.suffix}"


def jobs(recipes: list[Recipe]) -> list[Job]:
    """What to train."""
    found = []
    for recipe in recipes:
        for space, text in (("plane", recipe.plane), ("space", recipe.space)):
            found.append(Job(recipe.name, space, text))
            if recipe.without_help(text) != text:
                found.append(Job(recipe.name, space, recipe.without_help(text), "-without"))
    return found


def train(job: Job, out: Path) -> dict[str, Any]:
    """The summary of a run, trained if it is not there; a loss that diverges has accuracy 0 and says why."""
    folder = out / job.folder
    summary = folder / "summary.json"
    if summary.exists():
        found: dict[str, Any] = json.loads(summary.read_text(encoding="utf-8"))
        if found["written"] == job.loss:
            return found
        raise SystemExit(f"{folder} holds a run of {found['written']}, not of {job.loss}: remove it")
    try:
        for _ in fit(replace(RUNS[job.space], loss=job.loss), folder, resume=True):
            pass
        found = write_results(folder)
    except RuntimeError as error:
        found = {"test_accuracy": 0.0, "error": str(error)}
    found["written"] = job.loss
    write_text(summary, json.dumps(found, indent=2) + "\n")
    return found


def main() -> None:
    """Train all, write the page, say what stayed below."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("runs/every_loss"))
    parser.add_argument("--page", type=Path, default=Path("docs/mnist5k.md"))
    parser.add_argument("--only", nargs="*", help="names of losses; no page is then written")
    given = parser.parse_args()
    recipes = [recipe for recipe in RECIPES if not given.only or recipe.name in given.only]
    todo = jobs(recipes)
    accuracy: dict[str, float] = {}
    with ProcessPoolExecutor(2) as pool:
        for job, found in zip(todo, pool.map(train, todo, [given.out] * len(todo)), strict=True):
            accuracy[job.folder] = found["test_accuracy"]
            print(f"{job.folder:<32} {100 * found['test_accuracy']:6.2f}  {job.loss}", flush=True)
    below = [job.folder for job in todo if not job.suffix and accuracy[job.folder] < ENOUGH]
    print(f"{len(below)} of {sum(not job.suffix for job in todo)} below {ENOUGH:.0%}: {', '.join(below) or 'none'}")
    if not given.only:
        write_text(given.page, page(recipes, accuracy))
        print(given.page)
    raise SystemExit(1 if below else 0)


def page(recipes: list[Recipe], accuracy: dict[str, float]) -> str:
    """The page as Markdown."""
    rows, without = [], []
    for recipe in recipes:
        shown = []
        for space, text in (("plane", recipe.plane), ("space", recipe.space)):
            folder = f"{space}-{recipe.name}"
            shown.append(f"`{text}` | {100 * accuracy[folder]:.1f}")
            if f"{folder}-without" in accuracy:
                where = "in the plane" if space == "plane" else "in 64 dims"
                plain = 100 * accuracy[f"{folder}-without"]
                without.append(f"| {recipe.name}, {where} | {plain:.1f} | {100 * accuracy[folder]:.1f} |")
        rows.append(f"| {recipe.name} | {' | '.join(shown)} |")
    head = "| loss | in the plane | % | in 64 dims | % |\n| --- | --- | ---: | --- | ---: |"
    without_head = "| loss | without | with |\n| --- | ---: | ---: |"
    return PAGE.format(
        plane_epochs=RUNS["plane"].epochs,
        space_epochs=RUNS["space"].epochs,
        torch=machine()["torch"],
        table="\n".join([head, *rows]),
        without="\n".join([without_head, *without]),
        notes="\n".join(f"- {recipe.name}: {recipe.note}" for recipe in recipes if recipe.note),
    )


if __name__ == "__main__":
    main()
