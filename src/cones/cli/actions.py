"""What the commands of the command line do: each takes its command, prints, and returns the exit code."""

import os
import sys
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

from rich.table import Column, Table

from ..catalogue import describe_in_full, every_loss, find_loss, loss_table
from ..common.extras import MissingExtraError
from ..common.run_folder import COMPARISON, CONFIG, read_comparison
from ..margins import parse as parse_margin
from ..training import Stop, compare, fit, jobs_for, read_summaries, write_results
from .commands import Check, Compare, Data, Losses, Migrate, Plan, Plot, Suggest, Train, UsageError
from .comparison_progress import ComparisonDisplay
from .progress import TrainingDisplay, summary_line
from .terminal import Console, print


def do_train(command: Train) -> int:
    folder, stop = command.resume or command.out, Stop()
    with TrainingDisplay(command.run.epochs) as display:
        for metrics in fit(
            command.run, folder, resume=command.resume is not None, data_folder=command.data_folder, stop=stop
        ):
            display.show(folder.name, metrics)
    if stop.requested:
        _say(f"stopped at step {stop.step}{_by(stop)}; go on with: cones train --resume {folder}")
        if not stop.preempted:
            _say(summary_line(write_results(folder, data_folder=command.data_folder, trust=command.run.trust)))
        return stop.exit_code
    summary = write_results(folder, data_folder=command.data_folder, trust=command.run.trust)
    report = _report_if_possible(folder, trust=command.run.trust)
    _say(summary_line(summary), report)
    return 0


def do_compare(command: Compare) -> int:
    stop, runs = Stop(), len(command.losses)
    jobs = command.jobs or jobs_for(command.run, runs)
    with ComparisonDisplay(runs, command.run.epochs, jobs) as display:
        for name, metrics in compare(
            command.run,
            command.losses,
            command.out,
            title=command.title or None,
            data_folder=command.data_folder,
            stop=stop,
            jobs=jobs,
        ):
            display.show(name, metrics)
    if stop.requested:
        _say(f"stopped{_by(stop)}; the same command goes on where it stopped")
        return stop.exit_code
    report = _report_if_possible(command.out, jobs, trust=command.run.trust)
    _say(*map(summary_line, read_summaries(command.out)), report)
    return 0


def do_plot(command: Plot) -> int:
    if command.folder is None and not command.margins:
        raise UsageError("plot needs the folder of a run or of a comparison, or --margins")
    if command.margins:
        from ..plots import curve_figure, save

        for path in save(curve_figure([parse_margin(text) for text in command.margins]), command.out):
            print(path)
    if command.folder is not None:
        if (command.folder / CONFIG).exists():
            write_results(command.folder, data_folder=command.data_folder, trust=command.trust)
        print(_report(command.folder, trust=command.trust))
    return 0


def _by(stop: Stop) -> str:
    return f" by {stop.signal.name}" if stop.signal is not None and stop.preempted else ""


def _say(*lines: str) -> None:
    """Print; a reader that has left (head, a terminal that closed) changes nothing about what was trained."""
    try:
        print(*lines, sep="\n", flush=True)
    except OSError:
        # else Python complains when it flushes what is left at its end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _report_if_possible(folder: Path, jobs: int = 1, *, trust: bool) -> str:
    try:
        return str(_report(folder, jobs, trust=trust))
    except MissingExtraError as error:
        return f"there are no pictures and no report: {error}, then: cones plot {folder}"


def _report(folder: Path, jobs: int = 1, *, trust: bool) -> Path:
    from ..plots import write_comparison_report, write_run_report

    if (folder / COMPARISON).exists():
        runs = [folder / name for name in read_comparison(folder).runs]
        if jobs > 1:
            with ProcessPoolExecutor(jobs, get_context("spawn")) as pool:
                list(pool.map(partial(write_run_report, trust=trust), runs))
        else:
            for run in runs:
                write_run_report(run, trust=trust)
        return write_comparison_report(folder, trust=trust)
    return write_run_report(folder, trust=trust)


def do_losses(command: Losses) -> int:
    try:
        wanted = [find_loss(command.name)] if command.name else list(every_loss().values())
    except ValueError as error:
        raise UsageError(str(error)) from error
    if command.out is not None:
        from ..plots import write_index, write_pages

        if not command.name:
            print(write_index(command.out))
        for path in write_pages(wanted, command.out):
            print(path)
        return 0
    text = describe_in_full(wanted[0]) if command.name else loss_table()
    Console(soft_wrap=True, highlight=False, emoji=False).print(text, markup=False)
    return 0


def do_data(command: Data) -> int:
    from ..data import load, named

    console = Console(soft_wrap=True, highlight=False, emoji=False)
    if not command.spec:
        table = Table("name", "what", "samples", "classes", "shape", "on disk")
        for known in named(command.data_folder):
            shape = "x".join(map(str, known.shape))
            table.add_row(known.name, known.about, str(known.count), str(known.num_classes), shape, str(known.on_disk))
        console.print(table)
        return 0
    splits = load(command.spec, image_size=command.image_size or None, root=command.data_folder)
    for side, dataset in (("train", splits.train), ("test", splits.test)):
        shape = "x".join(map(str, dataset.inputs.shape[1:]))
        print(f"{side}: {len(dataset)} samples of {shape}, {dataset.num_classes} classes (split: {splits.kind})")
    return 0


def do_plan(command: Plan) -> int:
    for name in ("classes", "dim", "batch", "ranks", "memory_budget"):
        if getattr(command, name) < 1:
            raise UsageError(f"--{name.replace('_', '-')} is {getattr(command, name)}, expected at least 1")
    import torch

    from ..engine.planner import per_rank

    if command.precision == "bfloat16":
        from ..engine.processor import warn_if_slow

        warn_if_slow(command.dim, command.classes, instead="--precision float32")

    step = per_rank(
        command.batch,
        command.dim,
        command.classes,
        ranks=command.ranks,
        compute_dtype=torch.bfloat16 if command.precision == "bfloat16" else None,
        memory_budget=command.memory_budget * 2**20,
    )
    table = Table("on each rank", Column("MiB", justify="right"), title=str(step), title_justify="left")
    parts = step.memory(gradient=not command.fused, momentum=command.momentum)
    for name, size in parts.items():
        table.add_row(name, f"{size / 2**20:,.1f}")
    table.add_row("together", f"{sum(parts.values()) / 2**20:,.1f}", style="bold")
    table.add_row("the logits of all classes, which are never made", f"{step.logits_bytes / 2**20:,.1f}", style="dim")
    Console(soft_wrap=True, highlight=False, emoji=False).print(table)
    return 0


def do_suggest(command: Suggest) -> int:
    from ..suggestion import suggest

    try:
        print(suggest(command.classes, command.dim, command.probability))
    except ValueError as error:
        raise UsageError(f"--{str(error).replace('num_classes', 'classes')}") from error
    return 0


def do_migrate(command: Migrate) -> int:
    from ..migrate import compare as compare_with
    from ..migrate import migrate, write_head

    try:
        head, reference = migrate(
            command.source,
            command.files,
            margin=command.margin,
            loss=command.loss,
            scale=command.scale,
            temperature=command.temperature,
            sub_centers=command.sub_centers,
            easy_margin=command.easy_margin,
            num_classes=command.num_classes,
        )
    except ValueError as error:
        raise UsageError(str(error)) from error
    agreement = compare_with(head, reference)
    print(f"{head}\n{agreement}")
    if not agreement.same():
        raise RuntimeError(
            f"the head differs from {reference.name} by more than rounding: {command.out} is not written"
        )
    write_head(command.out, head)
    print(command.out)
    return 0


def do_check(command: Check) -> int:
    from ..linter import check_margin

    try:
        report = check_margin(parse_margin(command.margin), num_classes=command.classes, detached=command.detached)
    except ValueError as error:
        raise UsageError(str(error)) from error
    print(report)
    if command.out is not None:
        from ..plots import save

        for path in save(report.figure(), command.out):
            print(path)
    return 0 if report.ok else 1
