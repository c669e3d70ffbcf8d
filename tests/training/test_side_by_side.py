"""Losses trained in parallel: bit-identical results, failures by name, and nothing lost when stopped."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
import warnings
from dataclasses import asdict, replace
from functools import partial
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from cones.data import DataError
from cones.training import Run, Stop, TrainingError, _compare, _side_by_side, compare, jobs_for, read_summaries
from tests.narrowing import not_none

GOOD = ("Softmax + 0.1 * CenterLoss", "ArcFace(margin=0.1, scale=8)")
NAMES = ("softmax-centerloss", "arcface")
BAD = "NormFace(scale=1e38)"


@pytest.fixture
def tiny(small: Run) -> Run:
    return replace(small, epochs=2, log_every=1)


def assert_same_weights(one, other, names=NAMES):
    for name in names:
        left, right = (load_file(folder / name / "last.safetensors") for folder in (one, other))
        assert left.keys() == right.keys()
        for key in left:
            assert torch.equal(left[key], right[key]), (name, key)


@pytest.fixture
def alone(tiny, tmp_path):
    """The folder of the comparison, made by one process."""
    list(compare(tiny, GOOD, tmp_path / "alone"))
    return tmp_path / "alone"


def test_jobs_give_the_same_bits_and_a_loss_that_fails_is_named(tiny, tmp_path, alone):
    heard: list[tuple[str, dict[str, Any]]] = []
    said = r"1 of 3 losses failed: NormFace\(scale=1e38\) \(normface\): .*; the other 2 are trained: cones plot"
    with pytest.warns(UserWarning, match="far above"), pytest.raises(TrainingError, match=said):
        heard.extend(compare(tiny, (BAD, *GOOD), tmp_path / "two", jobs=2))
    assert_same_weights(alone, tmp_path / "two")
    assert [summary["name"] for summary in read_summaries(tmp_path / "two")] == list(NAMES)
    assert not multiprocessing.active_children()


def test_a_loss_that_fails_in_this_process_is_named_too(tiny, tmp_path):
    heard: list[tuple[str, dict[str, Any]]] = []
    said = r"1 of 2 losses failed: NormFace\(scale=1e38\) \(normface\): "
    with pytest.warns(UserWarning, match="far above"), pytest.raises(TrainingError, match=said):
        heard.extend(compare(tiny, (BAD, GOOD[0]), tmp_path))
    assert [name for name, metrics in heard if metrics["kind"] == "error"] == ["normface"]
    steps = [metrics["kind"] for name, metrics in heard if name == NAMES[0]]
    assert steps == [*["train"] * 6, "test", *["train"] * 6, "test", "end"]
    assert [summary["name"] for summary in read_summaries(tmp_path)] == [NAMES[0]]


@pytest.fixture
def child(monkeypatch):
    """Replacement of a child process in this one: the other end of its pipe, and a call that trains."""
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)
    earlier = signal.getsignal(signal.SIGINT)
    mine, its = multiprocessing.Pipe()
    yield mine, partial(_side_by_side._child, name="one", data_folder=None, pipe=its)
    signal.signal(signal.SIGINT, earlier)
    mine.close()
    its.close()


def said_by(pipe):
    while pipe.poll(0.1):
        yield pipe.recv()


def test_a_child_that_is_asked_to_stop_keeps_what_is_done(tiny, tmp_path, child):
    pipe, train = child
    pipe.send(None)
    train(replace(tiny, epochs=4000), tmp_path / "one")
    kinds = {metrics["kind"] for metrics in said_by(pipe)}
    assert "end" not in kinds
    assert (tmp_path / "one" / "last.safetensors").exists()
    assert not (tmp_path / "one" / "summary.json").exists()


def test_a_child_whose_parent_is_gone_keeps_what_is_done(tiny, tmp_path, child):
    pipe, train = child
    pipe.close()
    train(replace(tiny, epochs=4000), tmp_path / "one")
    assert (tmp_path / "one" / "last.safetensors").exists()


def test_a_child_tells_warnings_and_its_end(tiny, tmp_path, child):
    pipe, train = child
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        train(replace(tiny, loss="NormFace(scale=1000)", epochs=1), tmp_path / "one")
    first, *_, last = said_by(pipe)
    assert first["kind"] == "warning"
    assert "far above" in first["text"]
    assert last["kind"] == "end"


@pytest.mark.slow
def test_a_process_that_is_killed_is_named_and_the_others_are_trained(tiny, tmp_path):
    def train():
        killed = False
        for name, _ in compare(replace(tiny, epochs=40), GOOD, tmp_path, jobs=2):
            if name == "arcface" and not killed:
                killed = True
                (child,) = [each for each in multiprocessing.active_children() if each.name == "arcface"]
                os.kill(not_none(child.pid), signal.SIGKILL)

    with pytest.raises(TrainingError, match=r"\(arcface\): its process was ended by SIGKILL; the other 1"):
        train()
    assert [summary["name"] for summary in read_summaries(tmp_path)] == [NAMES[0]]


@pytest.mark.slow
def test_a_stop_ends_all_children_with_checkpoints_and_the_next_call_goes_on(tiny, tmp_path, alone):
    stop = Stop()
    for _, metrics in compare(tiny, (*GOOD, "NormFace(scale=8)"), tmp_path / "stopped", jobs=2, stop=stop):
        if metrics["step"] >= 3:
            stop.request()
    assert not multiprocessing.active_children()
    assert not (tmp_path / "stopped" / "comparison.json").exists()
    assert not (tmp_path / "stopped" / "normface").exists()  # what waits is not begun
    list(compare(tiny, GOOD, tmp_path / "stopped", jobs=2))
    assert_same_weights(alone, tmp_path / "stopped")


PARENT = """
import sys
from pathlib import Path
from cones.training import Run, Stop, compare

if __name__ == "__main__":
    stop = Stop()
    for name, metrics in compare(Run(**{run!r}), {losses!r}, Path({folder!r}), jobs=2, stop=stop):
        print(name, metrics.get("step"), flush=True)
    sys.exit(stop.exit_code if stop.requested else 0)
"""


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 75), (signal.SIGINT, 130), (signal.SIGKILL, -9)])
def test_signals_to_the_parent_leave_checkpoints_in_all_children(tiny, tmp_path, number, code):
    script = tmp_path / "script.py"
    run = asdict(replace(tiny, epochs=4000))
    script.write_text(PARENT.format(run=run, losses=GOOD, folder=str(tmp_path / "out")))
    parent = subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    heard: set[str] = set()
    while len(heard) < 2:
        heard.add(parent.stdout.readline().split()[0])
    parent.send_signal(number)
    _, errors = parent.communicate(timeout=60)
    assert parent.returncode == code
    assert "Traceback" not in errors
    deadline = time.monotonic() + 60
    for name in heard:
        while not (tmp_path / "out" / name / "last.safetensors").exists():  # after SIGKILL nobody waits for them
            assert time.monotonic() < deadline
            time.sleep(0.05)


def test_a_script_without_jobs_needs_no_processes(tiny, tmp_path, monkeypatch):
    monkeypatch.setattr(_compare, "side_by_side", None)
    list(compare(tiny, GOOD[:1], tmp_path, jobs=4))  # one loss is one job


@pytest.mark.parametrize(
    ("threads", "cores", "losses", "jobs"), [(1, 2, 8, 2), (1, 16, 8, 8), (4, 2, 8, 1), (0, 16, 8, 1)]
)
def test_jobs_for_the_cores(monkeypatch, threads, cores, losses, jobs):
    monkeypatch.setattr(_compare, "cores", lambda: cores)
    assert jobs_for(Run(threads=threads, device="cpu"), losses) == jobs


def test_jobs_share_the_cores_where_threads_are_not_given(tiny, tmp_path, monkeypatch):
    threads: list[int] = []

    def trained(runs, *_, **__):
        threads.extend(run.threads for run in runs.values())
        return ()

    monkeypatch.setattr(_compare, "cores", lambda: 7)
    monkeypatch.setattr(_compare, "side_by_side", trained)
    list(compare(replace(tiny, threads=0), GOOD, tmp_path, jobs=2))
    list(compare(replace(tiny, threads=2), GOOD, tmp_path, jobs=2))
    assert threads == [3, 3, 2, 2]


def test_what_is_wrong_with_all_is_told_once(tiny, tmp_path):
    with pytest.raises(ValueError, match="jobs is -1, expected at least 1, or 0"):
        list(compare(tiny, GOOD, tmp_path, jobs=-1))
    with pytest.raises(DataError, match=r"^there is no file nothing\.npz"):
        list(compare(replace(tiny, data="npz:nothing.npz"), GOOD, tmp_path, jobs=2))
    list(compare(tiny, GOOD[:1], tmp_path))
    with pytest.raises(TrainingError, match="holds a run with seed 0, not 3"):
        list(compare(replace(tiny, seed=3), GOOD, tmp_path, jobs=2))
