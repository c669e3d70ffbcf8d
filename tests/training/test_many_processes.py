"""A run on many processes is that of one: weights, metrics, resume on another number of them, and its ends."""

import itertools
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import torch.distributed as dist

from cones.common.run_folder import LAST, METRICS, read_metrics
from cones.data import load
from cones.training import Run, Stop, TrainingError, fit, read_run
from cones.training.checkpoint import load_weights
from cones.training.model import build_model
from tests.tiny_run import write_pictures
from tests.world import in_world

RUN = Run(
    backbone="resnet",
    feature_dim=3,
    width=0.0625,
    epochs=2,
    batch_size=17,
    precision="float64",
    tensorboard=False,
    threads=1,
    device="cpu",
    log_every=1,
    loss="ArcFace(margin=0.2, scale=8) + 0.1 * CenterLoss",
    shift=2,
    flip=True,
)
RUNS = {
    "resnet": RUN,
    "accumulated": replace(
        RUN,
        backbone="lenets",
        accumulate=3,
        bias=True,
        learn_scale=True,
        balance=0.7,
        loss="CosFace(margin=0.2, scale=8) + 0.1 * UNPG(scale=4) + 0.1 * MHE + 0.01 * RingLoss + 0.1 * VPL(start=0)",
    ),
    "class_sgd": replace(RUN, backbone="lenets", class_sgd=True, clip_norm=0.0),
    "sampled": replace(RUN, backbone="lenets", class_sgd=True, clip_norm=0.0, sample_rate=0.5),
    "drawn": replace(RUN, backbone="lenets", loss="ElasticFace(margin=0.2, scale=8, std=0.1, plus=True)"),
    "subcenters": replace(RUN, backbone="lenets", subcenters=2, loss="CurricularFace(scale=8)"),
    "fsdp": replace(RUN, shard="backbone", optimizer="adamw", loss="Softmax + 0.1 * CenterLoss + 0.1 * FeatureIncay"),
}
TIGHT = 1e-9


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("many")
    write_pictures(path / "data.npz")
    return path


def named(name, folder):
    return replace(RUNS[name], data=f"npz:{folder / 'data.npz'}")


def train(folder, run, stop_at, group):
    """Train or resume a run in `folder`; stop after a step, None for its end."""
    stop = Stop()
    resume = (folder / "config.toml").exists()
    if group is not None:
        dist.barrier(group)
    for metrics in fit(run, folder, resume=resume, stop=stop, group=group):
        if metrics["step"] == stop_at:
            stop.request()


def on_a_rank(rank, world, folder, run, stop_at):
    train(folder, run, stop_at, dist.group.WORLD)


def on(world, folder, run, stop_at=None):
    if world == 1:
        train(folder, run, stop_at, None)
    else:
        in_world(world, on_a_rank, folder, run, stop_at)
    return folder


def weights_of(folder):
    run = read_run(folder / "config.toml")
    splits = load(run.data, split=run.split, test_fraction=run.test_fraction, seed=run.seed)
    backbone, loss = build_model(run, splits.train)
    load_weights(folder / LAST, backbone, loss)
    return {**backbone.state_dict(), **{f"loss.{name}": value for name, value in loss.state_dict().items()}}


def assert_same(folder, other, tolerance=TIGHT):
    ours, theirs = weights_of(folder), weights_of(other)
    assert ours.keys() == theirs.keys()
    for name, value in ours.items():
        difference = (value.double() - theirs[name].double()).abs().max().item()
        assert difference <= tolerance, (name, difference)
    pairs = zip(read_metrics(folder / METRICS), read_metrics(other / METRICS), strict=True)
    for mine, its in pairs:
        for name in ("loss", "accuracy", "target_cosine"):
            assert mine.get(name) == pytest.approx(its.get(name), abs=TIGHT), (mine, its)


@pytest.mark.parametrize(("name", "world"), [("resnet", 2), ("accumulated", 3)])
def test_run_equals_that_of_one_process(name, world, folder):
    assert_same(on(1, folder / f"one-{name}", named(name, folder)), on(world, folder / name, named(name, folder)))


@pytest.mark.slow
@pytest.mark.parametrize(("name", "world"), list(itertools.product(RUNS, (2, 3))))
def test_every_run_equals_that_of_one_process(name, world, tmp_path):
    write_pictures(tmp_path / "data.npz")
    run = named(name, tmp_path)
    assert_same(on(1, tmp_path / "one", run), on(world, tmp_path / "many", run))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["resnet", "class_sgd"])
@pytest.mark.parametrize(("saved", "loaded"), list(itertools.product((1, 2, 3, 4), repeat=2)))
def test_run_goes_on_with_any_number_of_processes(name, saved, loaded, folder):
    run, undisturbed = named(name, folder), folder / f"whole-{name}-{loaded}"
    if not undisturbed.exists():
        on(loaded, undisturbed, run)
    begun = folder / f"{name}-{saved}-{loaded}"
    on(saved, begun, run, stop_at=8)
    on(loaded, begun, run)
    assert_same(begun, undisturbed, tolerance=0.0 if saved == loaded else TIGHT)


def disagree(rank, world, folder, run, change):
    mine = run if rank == 0 else replace(run, **change)
    list(fit(mine, folder, group=dist.group.WORLD))


def test_ranks_that_disagree_are_told(folder):
    change = {"learning_rate": 0.5, "loss": "CosFace(margin=0.1, scale=8)"}
    with pytest.raises(
        AssertionError, match=r"the ranks disagree: loss is .* on rank 0, .* on rank 1; learning_rate is"
    ):
        in_world(2, disagree, folder / "disagree", named("class_sgd", folder), change)


def command(folder, *more, environment=None):
    """`cones train` of a small run, with its process."""
    options = [
        "--data",
        f"npz:{folder / 'data.npz'}",
        "--backbone",
        "lenets",
        "--feature-dim",
        "3",
        "--width",
        "0.0625",
    ]
    options += ["--batch-size", "16", "--log-every", "1", "--no-tensorboard", "--device", "cpu"]
    root = Path(__file__).parents[2]
    paths = {"PYTHONPATH": f"{root / 'src'}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"}
    return subprocess.Popen(
        [sys.executable, *more[:1], *map(str, more[1:]), *options],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, **paths, **(environment or {})},
    )  # fmt: skip


def wait_for(path, step, process):
    for _ in range(600):
        if path.exists() and any(line.get("step", 0) >= step for line in read_metrics(path, cut_short=True)):
            return
        assert process.poll() is None, process.communicate()
        time.sleep(0.1)
    raise AssertionError("the run did not begin")


def ranks_of(launcher):
    """Process numbers of its children."""
    listed = Path(f"/proc/{launcher.pid}/task/{launcher.pid}/children").read_text()
    return [int(number) for number in listed.split()]


def test_command_with_processes_stops_goes_on_and_reports(folder):
    out = folder / "command"
    first = command(folder, "-m", "cones", "train", "--processes", 2, "--epochs", 300, "--out", out)
    wait_for(out / METRICS, 3, first)
    first.send_signal(signal.SIGUSR1)
    told, errors = first.communicate(timeout=60)
    assert first.returncode == 75, (told, errors)
    assert (told + errors).count("resume with: cones train --resume") == 1
    step = read_metrics(out / METRICS)[-1]["step"]
    again = command(folder, "-m", "cones", "train", "--resume", out, "--processes", 2, "--epochs", 300)
    wait_for(out / METRICS, step + 2, again)
    os.kill(ranks_of(again)[1], signal.SIGKILL)
    told, errors = again.communicate(timeout=60)
    assert again.returncode == 1, (told, errors)
    assert "cones: rank 1 was ended by SIGKILL" in errors
    assert "Traceback" not in errors
    assert len(errors.strip().splitlines()) <= 3, errors


def test_errors_are_told_once(folder):
    wrong = command(
        folder, "-m", "cones", "train", "--processes", 2, "--loss", "ArcFace(margin=-1)", "--out", folder / "w"
    )
    _, errors = wrong.communicate(timeout=60)
    assert wrong.returncode == 2
    assert errors.count("ArcFace: margin is -1") == 1, errors
    missing = folder / "data.npz" / "no"
    unwritable = command(folder, "-m", "cones", "train", "--processes", 2, "--out", missing)
    _, errors = unwritable.communicate(timeout=60)
    assert errors.count("is a file, expected a folder") == 1, errors


@pytest.mark.slow
@pytest.mark.parametrize("moment", range(10))
def test_torchrun_restarts_after_a_kill_and_ends_with_the_same_weights(moment, folder):
    out = folder / f"killed-{moment}"
    undisturbed = folder / "torchrun"
    torchrun = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", 2, "--max-restarts", 3)
    options = ("-m", "cones", "train", "--epochs", 3, "--save-every", 2, "--precision", "float64", "--out")
    if not undisturbed.exists():
        whole = command(folder, *torchrun, *options, undisturbed)
        assert whole.wait(120) == 0
    process = command(folder, *torchrun, *options, out)
    wait_for(out / METRICS, 1 + moment, process)
    time.sleep(0.01 * moment)
    os.kill(ranks_of(process)[moment % 2], signal.SIGKILL)
    told, errors = process.communicate(timeout=180)
    assert process.returncode == 0, (told, errors)
    assert_same(out, undisturbed, tolerance=0.0)


def late(rank, world, folder, run):
    if rank == 1:
        time.sleep(30)
    list(fit(run, folder, group=dist.group.WORLD))


@pytest.mark.slow
def test_late_rank_is_waited_for(folder):
    in_world(2, late, folder / "late", named("class_sgd", folder))
    assert (folder / "late" / METRICS).exists()


def test_class_sgd_says_what_it_cannot_do(folder):
    with pytest.raises(ValueError, match=r"accumulate is 2, but class_sgd moves W in the backward"):
        replace(RUNS["class_sgd"], accumulate=2)
    with pytest.raises(ValueError, match=r"clip_norm is 5.0, but class_sgd"):
        replace(RUNS["class_sgd"], clip_norm=5.0)
    with pytest.raises(ValueError, match=r"sample_rate is 0.5, whose gradient of W is sparse: set class_sgd"):
        replace(RUN, sample_rate=0.5)
    with pytest.raises((ValueError, TrainingError), match=r"CurricularFace .* leave class_sgd out"):
        list(fit(replace(named("class_sgd", folder), loss="CurricularFace(scale=8)"), folder / "bent"))
    with pytest.raises(ValueError, match=r"MHE takes one weight per class, but subcenters is 2"):
        list(fit(replace(named("subcenters", folder), loss="ArcFace + 0.1 * MHE"), folder / "centers"))


def test_batch_norm_and_dropout_over_ranks(folder):
    in_world(3, norms)


def norms(rank, world):
    from cones.backbones import over_ranks

    def net():
        torch.manual_seed(0)
        return torch.nn.Sequential(
            torch.nn.Conv2d(2, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.Dropout(0.3), torch.nn.Flatten(),
            torch.nn.Linear(36, 5), torch.nn.BatchNorm1d(5), torch.nn.Dropout(0.5),
        ).double()  # fmt: skip

    one, many = net(), over_ranks(net(), dist.group.WORLD)
    assert list(one.state_dict()) == list(many.state_dict())
    torch.manual_seed(1)
    x, up = torch.randn(7, 2, 5, 5, dtype=torch.float64, requires_grad=True), torch.randn(7, 5, dtype=torch.float64)
    mine = slice((0, 4, 4)[rank], (4, 4, 7)[rank])  # one rank has no rows
    torch.manual_seed(2)
    y = one(x)
    (expected,) = torch.autograd.grad((y * up).sum(), x)
    torch.manual_seed(2)
    part = x.detach()[mine].requires_grad_()
    z = many(part)
    (z * up[mine]).sum().backward()
    torch.testing.assert_close(z, y[mine], rtol=0, atol=1e-12)
    torch.testing.assert_close(part.grad, expected[mine], rtol=0, atol=1e-12)
    for ours, theirs in zip(many.buffers(), one.buffers(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-12)
    torch.testing.assert_close(many.eval()(x.detach()), one.eval()(x.detach()), rtol=0, atol=1e-12)
