"""The trainer: learning, files, logs, errors, and bit-exact resume."""

import json
from dataclasses import replace

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from cones.cli.progress import summary_line
from cones.plots import write_run_report
from cones.training import Run, TrainingError, fit, parse_objective, read_run, write_results
from cones.training._optimizer import build_optimizer
from cones.training.batches import to_input
from cones.training.checkpoint import load_checkpoint
from cones.training.data import read_data
from cones.training.model import build_model
from tests.tiny_run import leave

JOINT = (
    "ASoftmax(margin=3, blend=Annealing(base=10.0, gamma=0.1, power=2.0, minimum=0.0)) "
    "+ 0.01 * CenterLoss + 0.01 * RingLoss"
)


def weights(folder):
    return load_file(folder / "last.safetensors")


def assert_same(a, b):
    assert a.keys() == b.keys()
    for name in a:
        assert torch.equal(a[name], b[name]), name


@pytest.mark.parametrize(
    "loss",
    [
        "Softmax",
        "LSoftmax(margin=2, blend=L_SOFTMAX_MNIST)",
        JOINT,
        "L2Softmax(scale=8.0)",
        "NormFace(scale=8.0)",
        "COCO",
        "CosFace(margin=0.1, scale=8.0)",
        "ArcFace(margin=CosineWarmup(start=0.0, end=0.2, steps=8), scale=8.0)",
        "CombinedMargin(m2=0.1, m3=0.05, scale=8.0)",
        "Softmax + 0.1 * FeatureIncay(epsilon=0.01)",
    ],
)
def test_learns_under_every_loss(small, tmp_path, loss):
    lines = list(fit(replace(small, loss=loss, epochs=12, feature_dim=3, width=0.25), tmp_path))
    tests = [line for line in lines if line["kind"] == "test"]
    assert max(line["accuracy"] for line in tests) > 0.8
    summary = write_results(tmp_path)
    assert summary["finished"]
    assert summary["test_accuracy"] == tests[-1]["accuracy"]
    assert summary["train_accuracy"] > 0.8


@pytest.mark.parametrize("backbone", ["lenets", "lsoftmax-net", "mlp", "identity"])
@pytest.mark.parametrize("precision", ["float32", "bfloat16", "float64"])
def test_every_backbone_and_precision_takes_a_step(small, tmp_path, backbone, precision):
    lines = list(fit(replace(small, backbone=backbone, precision=precision, epochs=1, clip_norm=1.0), tmp_path))
    assert lines[-1]["kind"] == "test"


def test_resnet_with_augmentation_and_adamw(small, tmp_path):
    run = replace(small, backbone="resnet", image_size=16, epochs=1, optimizer="adamw", shift=2, flip=True, width=0.05)
    assert len(list(fit(run, tmp_path))) > 1


def test_same_seed_same_weights(small, tmp_path):
    for name in "ab":
        list(fit(replace(small, loss=JOINT, shift=1), tmp_path / name))
    assert_same(weights(tmp_path / "a"), weights(tmp_path / "b"))


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
@pytest.mark.parametrize("stop_after", [1, 3, 7])
def test_resume_is_bit_exact(small, tmp_path, optimizer, stop_after):
    """Weights, optimiser, centers, radius, schedules, augmentation, data order: all go on as they were."""
    run = replace(small, loss=JOINT, optimizer=optimizer, shift=1, flip=True, save_every=1, warmup_steps=5)
    whole = list(fit(run, tmp_path / "whole"))
    leave(fit(run, tmp_path / "parts"), after=stop_after)
    list(fit(run, tmp_path / "parts", resume=True))
    assert_same(weights(tmp_path / "whole"), weights(tmp_path / "parts"))

    def comparable(lines):
        return [{k: v for k, v in line.items() if k != "images_per_second"} for line in lines]

    written = [json.loads(line) for line in (tmp_path / "parts" / "metrics.jsonl").read_text().splitlines()]
    assert comparable(written) == comparable(whole)


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
@pytest.mark.parametrize("channels_last", [False, True])
def test_optimizer_goes_on_in_the_layout_of_its_parameters(small, tmp_path, optimizer, channels_last):
    run = replace(small, optimizer=optimizer, width=0.25, channels_last=channels_last)
    list(fit(run, tmp_path))
    backbone, loss = build_model(run, read_data(run).train)
    kernel = backbone.get_parameter("stages.1.0.weight")
    assert kernel.is_contiguous(memory_format=torch.channels_last) is channels_last
    (state,) = build_optimizer(run, backbone, loss).members
    load_checkpoint(tmp_path / "last.safetensors", backbone, loss, state)
    assert kernel.is_contiguous(memory_format=torch.channels_last) is channels_last
    moments = [tensor for tensor in state.state[kernel].values() if tensor.shape == kernel.shape]
    assert moments
    assert all(moment.stride() == kernel.stride() for moment in moments)


def test_the_memory_layout_changes_rounding_alone(small, tmp_path):
    lines = {}
    for name, channels_last in (("last", True), ("first", False)):
        run = replace(small, precision="float64", width=0.25, log_every=1, epochs=1, channels_last=channels_last)
        lines[name] = [line["loss"] for line in fit(run, tmp_path / name) if line["kind"] == "train"]
    assert lines["last"] == pytest.approx(lines["first"], rel=1e-9)


def test_a_net_of_ones_own_keeps_its_layout(small):
    images = torch.zeros(2, 3, 4, 4)
    assert to_input(images, replace(small, backbone="torch.nn:Flatten")).is_contiguous()
    assert to_input(images, small).is_contiguous(memory_format=torch.channels_last)


def test_resume_of_a_finished_run_does_nothing(small, tmp_path):
    list(fit(small, tmp_path))
    before = weights(tmp_path)
    assert list(fit(small, tmp_path, resume=True)) == []
    assert_same(before, weights(tmp_path))


def test_a_line_cut_short_is_dropped(small, tmp_path):
    leave(fit(replace(small, save_every=1), tmp_path), after=3)
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"kind": "train", "st')
    list(fit(replace(small, save_every=1), tmp_path, resume=True))
    for line in (tmp_path / "metrics.jsonl").read_text().splitlines():
        json.loads(line)


def test_the_margin_in_force_is_logged(small, tmp_path):
    run = replace(small, loss="ArcFace(margin=LinearWarmup(start=0.0, end=0.4, steps=8), scale=8.0)", log_every=1)
    lines = [line for line in fit(run, tmp_path) if line["kind"] == "train"]
    assert [line["margin"]["margin"] for line in lines[:4]] == pytest.approx([0.05, 0.1, 0.15, 0.2])
    assert lines[-1]["margin"] == {"margin": 0.4, "scale": 8.0}


def test_learnt_scale_is_logged_and_written(small, tmp_path):
    lines = list(fit(replace(small, loss="NormFace(scale=8.0)", learn_scale=True, log_every=1), tmp_path))
    scales = [line["margin"]["scale"] for line in lines if line["kind"] == "train"]
    assert len(set(scales)) > 1
    assert "NormFace(scale=" in write_results(tmp_path)["margin"]


def test_files_of_a_run(small, tmp_path):
    list(fit(replace(small, tensorboard=True, bias=True), tmp_path))
    write_results(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {
        "config.toml", "input.json", "metrics.jsonl", "last.safetensors", "best.safetensors", "features.safetensors",
        "summary.json", "tensorboard", "versions.json",
    }  # fmt: skip
    assert list((tmp_path / "tensorboard").iterdir())
    assert read_run(tmp_path / "config.toml") == replace(small, tensorboard=True, bias=True, loss="Softmax(scale=1.0)")
    assert set(load_file(tmp_path / "features.safetensors")) == {
        "train_features", "train_labels", "test_features", "test_labels", "weight", "bias",
    }  # fmt: skip


def test_one_class_to_test_has_no_geometry(small, tmp_path):
    train = read_data(small).train
    for side, labels in (("train", train.labels.unique().tolist()), ("test", [0])):
        for label in labels:
            folder = tmp_path / "data" / side / str(label)
            folder.mkdir(parents=True)
            for place, picture in enumerate(train.inputs[train.labels == label][:8]):
                Image.fromarray(picture[0].numpy()).save(folder / f"{place}.png")
    out = tmp_path / "run"
    list(fit(replace(small, data=f"folder:{tmp_path / 'data'}", epochs=1), out))
    summary = write_results(out)
    assert summary["geometry"] is None
    assert summary["train_geometry"]["mean_inter_angle"] > 0
    assert "mean angle within classes      -  " in summary_line(summary)
    assert write_run_report(out).exists()


def test_identity_split_trains_without_a_test_accuracy(small, tmp_path):
    lines = list(fit(replace(small, split="identity", test_fraction=0.5), tmp_path))
    assert "accuracy" not in lines[-1]
    assert (tmp_path / "best.safetensors").exists()
    summary = write_results(tmp_path)
    assert summary["test_accuracy"] is None
    assert summary["geometry"]["mean_inter_angle"] > 0


def test_what_is_in_the_way_is_not_overwritten(small, tmp_path):
    list(fit(small, tmp_path))
    before = (tmp_path / "last.safetensors").read_bytes()
    with pytest.raises(TrainingError, match="already holds a run: resume it, or write to another folder"):
        next(fit(small, tmp_path))
    with pytest.raises(TrainingError, match=r"holds a run with learning_rate 0.02, not 0.5: resume it with its own"):
        next(fit(replace(small, learning_rate=0.5), tmp_path, resume=True))
    with pytest.raises(TrainingError, match=r"holds a run with loss 'Softmax\(scale=1.0\)', not 'NormFace"):
        next(fit(replace(small, loss="NormFace"), tmp_path, resume=True))
    assert (tmp_path / "last.safetensors").read_bytes() == before


def test_a_loss_that_explodes_is_told_and_keeps_the_good_checkpoint(small, tmp_path):
    run = replace(small, learning_rate=1e30, clip_norm=0.0, save_every=1, log_every=1, epochs=5, warmup_steps=0)
    with pytest.raises(TrainingError, match=r"(is not finite after step|the loss is (nan|inf) at step)"):
        list(fit(run, tmp_path))
    if (tmp_path / "last.safetensors").exists():
        assert all(torch.isfinite(tensor).all() for tensor in weights(tmp_path).values())


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"backbone": "lenet"}, r"backbone is 'lenet' \(did you mean lenets\?\)"),
        ({"backbone": "no_such_module:Net"}, r"there is no module 'no_such_module'"),
        ({"backbone": "torch.nn:Lin"}, r"torch.nn has no 'Lin'"),
        ({"backbone": "torch.nn:Linear(in_features=3, out_features=2)"}, r"cannot take inputs of shape"),
        ({"backbone": "torch.nn:Identity"}, r"returned \(2, 1, 12, 12\), expected one vector per row"),
        ({"backbone": "math:sqrt"}, r"math:sqrt is <built-in function sqrt>, expected a subclass of torch.nn.Module"),
        (
            {"backbone": "fractions:Fraction"},
            r"fractions.Fraction.*expected a subclass of torch.nn.Module or a function",
        ),
        ({"device": "cuda:9"}, r"device is 'cuda:9', which is not available here"),
    ],
)
def test_what_does_not_fit_is_said(small, tmp_path, change, text):
    with pytest.raises((TrainingError, ValueError), match=text):
        next(fit(replace(small, **change), tmp_path))


def test_configuration_round_trip(small, tmp_path):
    from cones.training import write_run

    run = replace(small, loss=JOINT, milestones=(0.25, 0.75))
    write_run(tmp_path / "config.toml", run)
    again = read_run(tmp_path / "config.toml")
    assert again == replace(run, loss=str(run.objective))
    assert parse_objective(str(run.objective)) == run.objective


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("epoch = 3", r"there is no field 'epoch' \(did you mean epochs\?\)"),
        ("epochs = 'many'", r"epochs is 'many', expected an int such as 20"),
        ("epochs = ", r"is not TOML"),
        ("epochs = 0", r"epochs is 0, expected at least 1"),
        ("loss = 'ArcFase'", r"'ArcFase' is not a loss \(did you mean ArcFace\?\)"),
    ],
)
def test_a_wrong_configuration_is_said(tmp_path, text, message):
    (tmp_path / "run.toml").write_text(text)
    with pytest.raises(ValueError, match=message):
        read_run(tmp_path / "run.toml")


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"batch_size": 0}, r"batch_size is 0"),
        ({"optimizer": "adam"}, r"optimizer is 'adam', expected one of sgd, adamw"),
        ({"test_fraction": 1.0}, r"test_fraction is 1.0"),
        ({"momentum": 1.0}, r"momentum is 1.0"),
        ({"learning_rate": float("nan")}, r"learning_rate is nan"),
        ({"milestones": (2.0,)}, r"milestones is \(2.0,\)"),
        ({"width": 0.0}, r"width is 0.0"),
    ],
)
def test_a_wrong_setting_is_said(change, text):
    with pytest.raises(ValueError, match=text):
        Run(**change)
