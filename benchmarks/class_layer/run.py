"""The class layer, features (N, D) and W (K, D) to a mean loss and both gradients, against its rivals.

python -m benchmarks.class_layer [--preset smoke|default|full] [--out docs/benchmarks]

Writes OUT/PROCESSOR/class_layer.json (every time taken), OUT/PROCESSOR.md (the tables), OUT/PROCESSOR/growth.svg and
.png (the plot), and OUT.md, which compares all processors. A time is a ratio: each layer, in a process of its own,
takes turns with the three float32 products that any dense class layer needs. Extra memory is measured in another
process. N rows, K classes, D dims.
"""

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.class_layer.contenders import (
    AUTOCAST,
    BARE_ARCFACE,
    CONES,
    CONES_LOW,
    CONES_SOFTMAX,
    CONTENDERS,
    FAST_PRODUCTS,
    INDEXED,
    LINEAR_CE,
    TORCH_CE_CHUNKED,
    by_name,
)
from benchmarks.class_layer.growth import growth_figure
from benchmarks.class_layer.measure import device
from benchmarks.class_layer.memory import available
from benchmarks.class_layer.processors import side_by_side
from benchmarks.class_layer.summary import ratio
from benchmarks.class_layer.table import page
from benchmarks.class_layer.worker import run
from benchmarks.machine import machine, short_name
from cones.common.atomic_files import write_text
from cones.plots import save

EVERYONE = tuple(contender.name for contender in CONTENDERS)
GROWING = (FAST_PRODUCTS, BARE_ARCFACE, CONES, CONES_LOW, INDEXED, AUTOCAST, LINEAR_CE)
WITH_FEW = (CONES, CONES_SOFTMAX, BARE_ARCFACE, INDEXED, LINEAR_CE)
NUMBERS = "class_layer.json"
HEADROOM = 2**29
"""Memory of a process beside its tensors, and of the system: 512 MiB."""


class Size(NamedTuple):
    """N, K and D."""

    rows: int
    classes: int
    dim: int


@dataclass(frozen=True)
class Preset:
    """Sizes and contenders to measure.

    Attributes:
        rounds: how often a layer and the products take turns.
        heads: sizes at which everyone of `contenders` is measured, in time and memory; the first is the head line.
        growth: by the axis that grows, the sizes at which those of `growing` are timed.
        few_classes: sizes at which those of `with_few` are timed, where the logits are few.
        errors: the size at which errors are measured.
        profiled: contenders whose time is reported by phase, at the first of `heads`.
    """

    rounds: int
    heads: tuple[Size, ...]
    growth: dict[str, tuple[Size, ...]]
    few_classes: tuple[Size, ...]
    errors: Size
    contenders: tuple[str, ...] = EVERYONE
    growing: tuple[str, ...] = GROWING
    with_few: tuple[str, ...] = WITH_FEW
    profiled: tuple[str, ...] = (CONES, CONES_LOW)


HEADS = (Size(512, 100_000, 512), Size(256, 10_000, 512), Size(512, 1000, 512))
FEW_CLASSES = (
    *(Size(rows, classes, 512) for rows in (64, 256, 512, 1024) for classes in (10, 100, 1000)),
    Size(256, 10_000, 512),
)
ERRORS = Size(64, 5000, 512)
PRESETS = {
    "smoke": Preset(
        rounds=5,
        heads=(Size(32, 1000, 16),),
        growth={"classes": (Size(32, 500, 16), Size(32, 1000, 16)), "rows": (), "dim": ()},
        few_classes=(Size(8, 10, 16),),
        errors=Size(16, 200, 16),
        contenders=(FAST_PRODUCTS, CONES, INDEXED),
        growing=(CONES,),
        with_few=(CONES, INDEXED, LINEAR_CE),
        profiled=(CONES,),
    ),
    "default": Preset(
        rounds=5,
        heads=HEADS,
        growth={
            "classes": tuple(Size(512, classes, 512) for classes in (10, 100, 1000, 10_000, 100_000)),
            "rows": tuple(Size(rows, 20_000, 512) for rows in (64, 256, 512, 2048)),
            "dim": tuple(Size(512, 20_000, dim) for dim in (64, 128, 512)),
        },
        few_classes=FEW_CLASSES,
        errors=ERRORS,
        contenders=tuple(name for name in EVERYONE if name != TORCH_CE_CHUNKED),  # minutes for one step: see "full"
    ),
    "full": Preset(
        rounds=9,
        heads=(*HEADS, Size(512, 1_000_000, 512)),
        growth={
            "classes": tuple(
                Size(512, classes, 512) for classes in (10, 100, 1000, 10_000, 100_000, 300_000, 1_000_000)
            ),
            "rows": tuple(Size(rows, 20_000, 512) for rows in (64, 128, 256, 512, 1024, 2048, 4096)),
            "dim": tuple(Size(512, 20_000, dim) for dim in (64, 128, 256, 512, 1024)),
        },
        few_classes=FEW_CLASSES,
        errors=ERRORS,
    ),
}


def cases(preset: Preset) -> Iterator[tuple[str, Size, bool]]:
    """Contender, size and whether its memory is asked for, none twice."""
    heads = [(name, size) for size in preset.heads for name in preset.contenders]
    growing = [(name, size) for sizes in preset.growth.values() for size in sizes for name in preset.growing]
    for name, size in dict.fromkeys(heads + growing):
        yield name, size, size in preset.heads


def measured(name: str, size: Size, rounds: int, with_memory: bool) -> dict[str, Any]:
    """Times in seconds, extra bytes, and for what is missing the reason it was left out."""
    case: dict[str, Any] = {"contender": name, **size._asdict()}
    reason = by_name(name).missing()
    if reason is not None:
        return {**case, "skipped": reason}
    arguments = {"contender": name, "num_rows": size.rows, "num_classes": size.classes, "dim": size.dim}
    products = 4 * size.classes * (size.rows + size.dim)  # what the products beside it write to
    case.update(
        _unless_too_large(name, size, products, lambda: run({"what": "seconds", **arguments, "rounds": rounds}))
    )
    if with_memory and "seconds" in case:
        got = _unless_too_large(name, size, 0, lambda: {"extra_bytes": run({"what": "extra_bytes", **arguments})})
        case.update(got)
    return case


def by_phase(preset: Preset) -> dict[str, dict[str, float]]:
    """The share of time by phase, of each whom the preset profiles."""
    size = preset.heads[0]
    arguments = {"what": "phases", "num_rows": size.rows, "num_classes": size.classes, "dim": size.dim}
    there = [name for name in preset.profiled if by_name(name).missing() is None]
    return {name: run({**arguments, "contender": name}) for name in there}


def few_classes(preset: Preset, size: Size) -> dict[str, Any]:
    """Times in seconds of those that the preset names, taken in turn in one process."""
    names = [name for name in preset.with_few if by_name(name).missing() is None]
    sizes = {"num_rows": size.rows, "num_classes": size.classes, "dim": size.dim}
    times = run({"what": "in_turn", "contenders": names, "rounds": preset.rounds, **sizes})
    return {**size._asdict(), "seconds": dict(zip(names, times, strict=True))}


def report(results: dict[str, Any], out: Path) -> None:
    """Write a processor's page, and the plot where something grew."""
    figure = growth_figure(results)
    if figure is not None:
        save(figure, out / "growth")
    write_text(out.with_name(out.name + ".md"), page(results, out.name, figure is not None))


def report_all(out: Path) -> None:
    """Write every processor's page from its numbers, and the page of them all."""
    found = {path.parent.name: json.loads(path.read_text(encoding="utf-8")) for path in out.glob(f"*/{NUMBERS}")}
    for name, results in found.items():
        report(results, out / name)
    write_text(out.with_name(out.name + ".md"), side_by_side(found, out.name))


def main() -> None:
    """Run the measurements of a preset; each result is saved before the next measurement begins."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", choices=PRESETS, default="default", help="which sizes: seconds, minutes, an hour")
    parser.add_argument("--out", type=Path, default=Path("docs/benchmarks"), help="folder; its page is beside it")
    parser.add_argument("--processor", help="subfolder; by default from family, model and vector width")
    parser.add_argument("--only", nargs="+", choices=EVERYONE, help="measure only these, and keep the other numbers")
    parser.add_argument("--redraw", action="store_true", help="measure nothing; redraw pages and plots")
    arguments = parser.parse_args()
    if arguments.redraw:
        report_all(arguments.out)
        return
    numbers = arguments.out / (arguments.processor or short_name()) / NUMBERS
    preset = PRESETS[arguments.preset]
    results: dict[str, Any] = {
        "preset": arguments.preset,
        "machine": machine(),
        **asdict(preset),
        "heads": [size._asdict() for size in preset.heads],
        "growth": {axis: [size._asdict() for size in sizes] for axis, sizes in preset.growth.items()},
        "few_classes": [],
        "errors": preset.errors._asdict(),
        "error": {},
        "phases": {},
        "cases": [],
    }
    todo = list(cases(preset))
    results["few_classes"] = [few_classes(preset, size) for size in preset.few_classes]
    if arguments.only:
        kept = json.loads(numbers.read_text(encoding="utf-8"))
        others = [case for case in kept["cases"] if case["contender"] not in arguments.only]
        results |= {"error": kept["error"], "phases": kept["phases"], "cases": others}
        todo = [case for case in todo if case[0] in arguments.only]
    else:
        sizes = {"num_rows": preset.errors.rows, "num_classes": preset.errors.classes, "dim": preset.errors.dim}
        results["error"] = run({"what": "errors", **sizes})
        results["phases"] = by_phase(preset)
    for index, (name, size, with_memory) in enumerate(todo, start=1):
        results["cases"].append(measured(name, size, preset.rounds, with_memory))
        write_text(numbers, json.dumps(results, indent=1) + "\n")
        print(f"{index}/{len(todo)}  {_line(results['cases'][-1])}", file=sys.stderr)
    report_all(arguments.out)


def _unless_too_large(name: str, size: Size, beside: int, measure: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Return the measurements, or {"skipped": reason}: the memory needed, or how the process ended."""
    needed = by_name(name).bytes_needed(*size) + beside + HEADROOM
    left = available(device())
    if left is not None and needed > left:
        return {"skipped": f"needs {needed / 2**30:.0f} GiB, {left / 2**30:.0f} GiB are free"}
    try:
        return measure()
    except RuntimeError as error:
        return {"skipped": str(error)}


def _line(case: dict[str, Any]) -> str:
    where = f"N={case['rows']} K={case['classes']} D={case['dim']}  {case['contender']}"
    found = ratio(case)
    return f"{where}: left out, {case['skipped']}" if found is None else f"{where}: {found:.2f} times the products"


if __name__ == "__main__":
    main()
