"""Signals and requests end a run after a whole step, with a checkpoint, and leave the earlier handlers in place."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file

from cones.cli.app import main
from cones.training import Stop, compare, fit
from cones.training._stop import SIGNALS, stop_on_signals
from tests.tiny_run import leave

SOFT = [number for number in SIGNALS if number != signal.SIGINT]


@pytest.fixture(autouse=True)
def heeded():
    """Signals that whoever started the tests ignores, as nohup does, act as usual while a test runs."""
    ignored = [number for number in SOFT if signal.getsignal(number) == signal.SIG_IGN]
    for number in ignored:
        signal.signal(number, signal.SIG_DFL)
    yield
    for number in ignored:
        signal.signal(number, signal.SIG_IGN)


def assert_same_weights(a, b):
    left, right = (load_file(folder / "last.safetensors") for folder in (a, b))
    assert left.keys() == right.keys()
    for name in left:
        assert torch.equal(left[name], right[name]), name


@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
def test_a_signal_ends_the_step_and_keeps_the_run(small, tmp_path, number):
    earlier = {n: signal.getsignal(n) for n in SIGNALS}
    run, stop = replace(small, epochs=3, log_every=1), Stop()
    lines = fit(run, tmp_path / "parts", stop=stop)
    next(lines)
    os.kill(os.getpid(), number)
    assert list(lines) == []
    assert stop.step == 1
    assert stop.signal == number
    assert stop.exit_code == (130 if number == signal.SIGINT else 75)
    assert {n: signal.getsignal(n) for n in SIGNALS} == earlier
    list(fit(run, tmp_path / "parts", resume=True))
    list(fit(run, tmp_path / "whole"))
    assert_same_weights(tmp_path / "parts", tmp_path / "whole")


@pytest.mark.parametrize("number", SOFT, ids=lambda number: number.name)
def test_a_signal_that_comes_again_does_not_tear_the_checkpoint(small, tmp_path, number):
    lines = fit(replace(small, log_every=1), tmp_path)
    next(lines)
    os.kill(os.getpid(), number)
    os.kill(os.getpid(), number)
    list(lines)
    assert (tmp_path / "last.safetensors").exists()


def test_a_second_ctrl_c_acts_as_usual(small, tmp_path):
    lines = fit(replace(small, log_every=1), tmp_path)
    next(lines)
    os.kill(os.getpid(), signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGINT)
    leave(lines, after=0)


def test_a_request_that_is_watched_already_keeps_its_handlers():
    stop, earlier = Stop(), signal.getsignal(signal.SIGINT)
    with stop_on_signals(stop):
        with stop_on_signals(stop):
            os.kill(os.getpid(), signal.SIGINT)
        assert stop.requested
        assert signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL
        with pytest.raises(KeyboardInterrupt):  # the second one
            os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is earlier


def test_a_signal_that_was_ignored_stays_ignored(small, tmp_path):
    earlier = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does
    try:
        lines = fit(replace(small, epochs=1, log_every=1), tmp_path)
        next(lines)
        os.kill(os.getpid(), signal.SIGHUP)
        assert list(lines)[-1]["kind"] == "test"
    finally:
        signal.signal(signal.SIGHUP, earlier)


def test_another_thread_trains_without_handlers_and_stops_on_request(small, tmp_path):
    stop, seen = Stop(), []

    def train():
        for metrics in fit(replace(small, epochs=1000, log_every=1), tmp_path, stop=stop):
            seen.append((metrics["step"], signal.getsignal(signal.SIGTERM)))
            if metrics["step"] == 3:
                stop.request()

    thread = threading.Thread(target=train)
    thread.start()
    thread.join()
    assert seen[-1] == (3, signal.SIG_DFL)
    assert (tmp_path / "last.safetensors").exists()
    assert (stop.signal, stop.exit_code) == (None, 130)


def test_a_stopped_comparison_goes_on_where_it_stopped(small, tmp_path):
    run, losses, stop = replace(small, epochs=1), ["Softmax", "NormFace(scale=8.0)"], Stop()
    for name, metrics in compare(run, losses, tmp_path, stop=stop):
        if name == "softmax" and metrics["step"] == 2:
            os.kill(os.getpid(), signal.SIGTERM)
    assert stop.signal == signal.SIGTERM
    assert not (tmp_path / "normface").exists()
    assert {name for name, _ in compare(run, losses, tmp_path)} == {"softmax", "normface"}
    assert (tmp_path / "comparison.json").exists()


def options(digits, out):
    tiny = ["--width", "0.125", "--feature-dim", "2", "--epochs", "3000", "--log-every", "1", "--threads", "1"]
    return ["--data", f"npz:{digits}", *tiny, "--device", "cpu", "--no-tensorboard", "--out", str(out)]


def test_train_says_how_to_go_on_and_exits_with_75(digits, tmp_path):
    out, metrics = tmp_path / "run", tmp_path / "run" / "metrics.jsonl"
    command = [sys.executable, "-m", "cones", "train", *options(digits, out)]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not (metrics.exists() and metrics.stat().st_size > 1000) and time.monotonic() < deadline:
        time.sleep(0.05)
    child.send_signal(signal.SIGTERM)
    printed, error = child.communicate(timeout=60)
    assert child.returncode == 75, error
    assert "Traceback" not in error
    step = json.loads(metrics.read_text().splitlines()[-1])["step"]
    assert printed == f"stopped at step {step} by SIGTERM; resume with: cones train --resume {out}\n"
    assert (out / "last.safetensors").exists()


def test_compare_says_how_to_go_on_and_exits_with_75(digits, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(
        "cones.cli.comparison_progress.ComparisonDisplay.show", lambda *_: os.kill(os.getpid(), signal.SIGUSR1)
    )  # at the first line of metrics
    with pytest.raises(SystemExit, match="75"):
        main(["compare", *options(digits, tmp_path / "two")])
    assert capsys.readouterr().out == "stopped by SIGUSR1; run the same command again to resume\n"
    assert (tmp_path / "two" / "softmax" / "last.safetensors").exists()
