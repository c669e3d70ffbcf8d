"""Page of the measurements, as Markdown."""

import statistics
from collections.abc import Iterable, Sequence
from typing import Any

from benchmarks.class_layer.contenders import AUTOCAST, FAST_PRODUCTS, INDEXED, LINEAR_CE, by_name
from benchmarks.class_layer.summary import Case, find, in_turn, ratio, spread

AXES = {"classes": "K", "rows": "N", "dim": "D"}
METHOD = """\
**Ratio** is the median time of forward and backward, both gradients, over the median time of the three float32 matrix
products that any dense class layer needs, `x @ W.T`, `S @ W` and `S.T @ x`, by `torch.mm` into preallocated arrays.
The layer and the products take turns in one fresh process, for {rounds} rounds after a warm-up round; min..max is the
range of the ratios per round, the noise of this run. **To tiled** is the ratio to the first row of the table: the same
three products alone, in the tiles and with the float32 kernel that cones uses.{kernel}

**Extra** is the peak memory of a step above what the caller holds (features, W and their gradients), in another fresh
process, after a small call that initialises the libraries: {memory}.

**Error, x dense** is the largest of a layer's three errors (see Errors), as a multiple of that of "{indexed}", or, for
bfloat16, of "{autocast}"."""

PROFILED = """\
Shares of a step at {rows:,} rows, {classes:,} classes, {dim} dims, from PyTorch's profiler, which slightly
slows down small operations."""

ERRORS = """\
Error against float64 at {rows:,} rows, {classes:,} classes, {dim} dims, half of the rows random and half 45 degrees
from their own class: the norm of the difference over the norm of the truth, the largest of five problems. In brackets:
the multiple of the error of "{indexed}", or, for bfloat16, of "{autocast}"."""

FEW = """\
With few logits a step takes milliseconds or less, and timings vary between processes, so here all layers take turns in
one process. Medians, and the median of the ratios per round."""

NOTES = (
    """Some of the lead over rivals comes from the choice of kernel: `torch.mm` and `F.linear` use the vendor's BLAS
that PyTorch was built with; cones uses that or oneDNN, whichever it measures to be faster on the processor. The first
row shows the effect of that choice alone on this machine; "to tiled" removes it from the numbers of cones.""",
    """"The passes of ArcFace alone" are the products plus the passes over W and the logits that a loss of cosines
needs, written by hand: norms, unit rows, exponentials, their sums, and removal of the component along each row of W,
with new memory for the gradient. They have no margin, checks or autograd graph, which account for the extra time of
"cones ArcFace".""",
    "A ratio below 1 in bfloat16 is expected: the reference is float32 products.",
    """On a CPU, cones in bfloat16 rounds only the products of the gradients; the logits, and so the losses, stay
float32. The autocast rival rounds the logits too.""",
    "The layers allocate what they return, as autograd does; the plain products allocate nothing.",
    """"Modifies the others" is an artificial margin with an `others` of its own, which the engine runs under autograd,
one tile at a time.""",
    "`F.linear_cross_entropy` builds the whole (N, K) matrix unless its `options` request chunks.",
    "pytorch-metric-learning stores W as (D, K), and gets it in that layout.",
    """Taking turns does not make up for a busy machine: if another process occupies a core, threads wait for each other
at every tile, and a layer that works in many small tiles loses the most. If min..max is wide, measure again.""",
    "Not measured: `torch.compile` around the rivals, and Triton kernels of other packages.",
)


def page(results: dict[str, Any], folder: str, plotted: bool) -> str:
    """Markdown of all tables.

    Args:
        results: as `class_layer.py` writes them.
        folder: name of the folder with the plot, beside the page.
        plotted: whether there is a plot.
    """
    parts = ["# The class layer, measured", _opening(results)]
    parts += [_head(results, size) for size in results["heads"]]
    parts += ["## Where the time goes", _phases(results), "## Errors", _errors(results)]
    if plotted:
        picture = f"![Ratio of time to that of the products, against K, N and D]({folder}/growth.svg)"
        parts += ["## Growth", "Ratio to the products, as above.", picture]
    parts += [_growth(results, axis) for axis, sizes in results["growth"].items() if sizes]
    if any("seconds" in size for size in results.get("few_classes", ())):
        parts += ["## Few classes", FEW, _few(results)]
    parts += ["## Method", _method(results), "## Notes", _notes(results)]
    return "\n\n".join(parts) + "\n"


def _opening(results: dict[str, Any]) -> str:
    machine = ", ".join(f"{name} {value}" for name, value in results["machine"].items() if value is not None)
    return (
        "Generated from `class_layer.json` by\n\n"
        "```sh\npip install 'cones[bench]'\n"
        f"python -m benchmarks.class_layer --preset {results['preset']}\n```\n\n"
        f"Machine: {machine}."
    )


def _head(results: dict[str, Any], size: dict[str, int]) -> str:
    found = [find(results, name, size) for name in results["contenders"]]
    cases = [case for case in found if case is not None]
    columns = ("class layer", "ratio to products", "min..max", "to tiled", "ms", "extra MiB", "error, x dense")
    fast = find(results, FAST_PRODUCTS, size)
    rows = [_head_row(results, case, None if fast is None else ratio(fast)) for case in cases]
    title = f"## {size['rows']:,} rows, {size['classes']:,} classes, {size['dim']} dims"
    left_out = [f"{case['contender']}: left out, {case['skipped']}." for case in cases if "skipped" in case]
    return "\n\n".join([title, table(columns, rows), *left_out])


def _head_row(results: dict[str, Any], case: Case, fast: float | None) -> list[str]:
    name, own = case["contender"], ratio(case)
    if own is None:
        return [name, *["–"] * 5, _worst(results, name)]
    smallest, largest = spread(case)
    extra = case.get("extra_bytes")
    return [
        name,
        f"**{own:.2f}**",
        f"{smallest:.2f}..{largest:.2f}",
        "–" if fast is None else f"{own / fast:.2f}",
        f"{1000 * statistics.median(case['seconds']):.4g}",
        "n/a" if extra is None else f"{extra / 2**20:,.0f}",
        _worst(results, name),
    ]


def _worst(results: dict[str, Any], name: str) -> str:
    """The largest of a contender's three errors, each as a multiple of the dense one's of its precision."""
    own, dense = results["error"].get(name), results["error"].get(_yardstick(name))
    return "" if own is None else f"{max(own[what] / dense[what] for what in own):.2g}"


def _yardstick(name: str) -> str:
    return AUTOCAST if by_name(name).in_bfloat16 else INDEXED


def _errors(results: dict[str, Any]) -> str:
    text = ERRORS.format(**results["errors"], indexed=INDEXED, autocast=AUTOCAST)
    rows = [
        [
            name,
            *(f"{value:.1e} ({value / results['error'][_yardstick(name)][what]:.2g})" for what, value in own.items()),
        ]
        for name, own in results["error"].items()
    ]
    return text + "\n\n" + table(("class layer", "loss", "gradient of features", "gradient of W"), rows)


def _phases(results: dict[str, Any]) -> str:
    size = results["heads"][0]
    text = PROFILED.format(rows=size["rows"], classes=size["classes"], dim=size["dim"])
    names = list(next(iter(results["phases"].values())))
    rows = [[name, *(f"{100 * own[phase]:.0f} %" for phase in names)] for name, own in results["phases"].items()]
    return text + "\n\n" + table(("class layer", *names), rows)


def _growth(results: dict[str, Any], axis: str) -> str:
    sizes = results["growth"][axis]
    fixed = " and ".join(f"{AXES[name]} = {sizes[0][name]:,}" for name in AXES if name != axis)
    rows = []
    for name in results["growing"]:
        found = [find(results, name, size) for size in sizes]
        ratios = [None if case is None else ratio(case) for case in found]
        rows.append([name, *("–" if value is None else f"{value:.2f}" for value in ratios)])
    columns = ("class layer", *(f"{AXES[axis]} = {size[axis]:,}" for size in sizes))
    return f"### {AXES[axis]} grows, {fixed}\n\n{table(columns, rows)}"


def _few(results: dict[str, Any]) -> str:
    names = list(results["few_classes"][0]["seconds"])
    own = [name for name in names if name.startswith("cones")]
    rivals = [name for name in (LINEAR_CE, INDEXED) if name in names]
    columns = ["N", "K", *(f"{name}, ms" for name in names), *(f"{name} / {rival}" for name in own for rival in rivals)]
    rows = []
    for size in results["few_classes"]:
        times = {name: statistics.median(seconds) for name, seconds in size["seconds"].items()}
        milliseconds = [f"{1000 * seconds:.3g}" for seconds in times.values()]
        ratios = [f"{in_turn(size, name, rival):.2f}" for name in own for rival in rivals]
        rows.append([f"{size['rows']:,}", f"{size['classes']:,}", *milliseconds, *ratios])
    return table(columns, rows)


def _method(results: dict[str, Any]) -> str:
    gpu = results["machine"]["GPU"] is not None
    of_products = (ratio(case) for case in results["cases"] if case["contender"] == FAST_PRODUCTS)
    fast = [value for value in of_products if value is not None]
    kernel = "" if not fast else f" Here that row is {min(fast):.2f} to {max(fast):.2f} times the plain products."
    memory = "the memory of tensors on the GPU" if gpu else "the resident set on Linux; n/a elsewhere"
    return METHOD.format(rounds=results["rounds"], kernel=kernel, memory=memory, indexed=INDEXED, autocast=AUTOCAST)


def _notes(results: dict[str, Any]) -> str:
    kept = [case for case in results["cases"] if "seconds" in case]
    noise = [largest / smallest for smallest, largest in map(spread, kept)]
    notes = list(NOTES)
    wanted = [(name, size) for sizes in results["growth"].values() for size in sizes for name in results["growing"]]
    if any(find(results, name, size) is None for name, size in wanted):
        notes.append("The run was interrupted: entries with a dash and no reason were not measured.")
    if noise:
        notes.append(
            f"Noise: over the rounds of a case, the largest ratio is {statistics.median(noise):.2f} times the smallest "
            f"in the median case, and {max(noise):.2f} times in the noisiest."
        )
    return "\n".join("- " + note.replace("\n", "\n  ") for note in notes)


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown, the first column to the left."""
    rule = ["---", *["---:"] * (len(columns) - 1)]
    return "\n".join("| " + " | ".join(row) + " |" for row in (columns, rule, *rows))
