"""More epochs for an existing run, and feature dims derived from the data."""

import warnings
from dataclasses import replace

import pytest

from cones.training import DEMO_RUN, Run, TrainingError, compare, fit, read_run, write_results


@pytest.mark.parametrize(
    ("schedule", "text"),
    [
        ("cosine", r"cosine learning rate now spans 24 steps, and is 0.01 at step 13, where it was 0"),
        ("constant", r"constant learning rate now spans 24 steps, and is 0.02 at step 13, where it was 0.02"),
    ],
)
def test_a_finished_run_is_extended(small, tmp_path, schedule, text):
    run = replace(small, epochs=2, schedule=schedule)
    list(fit(run, tmp_path))
    with pytest.warns(UserWarning, match=rf"the run goes to epoch 4 instead of 2: its {text}$"):
        lines = list(fit(replace(run, epochs=4), tmp_path, resume=True))
    assert [line["epoch"] for line in lines if line["kind"] == "test"] == [3, 4]
    assert read_run(tmp_path / "config.toml").epochs == 4
    assert write_results(tmp_path)["finished"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert list(fit(replace(run, epochs=4), tmp_path, resume=True)) == []


def test_a_constant_rate_makes_the_extension_exact(small, tmp_path):
    run = replace(small, schedule="constant")
    list(fit(replace(run, epochs=2), tmp_path / "a"))
    with pytest.warns(UserWarning, match="goes to epoch 3"):
        list(fit(run, tmp_path / "a", resume=True))
    list(fit(run, tmp_path / "b"))
    assert write_results(tmp_path / "a", name="x")["test_accuracy"] == write_results(tmp_path / "b")["test_accuracy"]


def test_fewer_epochs_than_are_done_are_refused(small, tmp_path):
    list(fit(small, tmp_path))
    with pytest.raises(TrainingError, match="epochs is 2, but the run has begun epoch 3: pass at least 3"):
        next(fit(replace(small, epochs=2), tmp_path, resume=True))
    assert read_run(tmp_path / "config.toml").epochs == small.epochs


@pytest.mark.parametrize(
    ("data", "dims"), [("mnist5k", 2), ("mnist", 2), ("fashion-mnist", 2), ("folder:photos", 128), ("faces-orl", 128)]
)
def test_the_data_decide_on_the_number_of_dims(data, dims):
    run = Run(data=data)
    assert run.feature_dim == 0
    assert run.with_feature_dim().feature_dim == dims
    assert replace(run, feature_dim=7).with_feature_dim().feature_dim == 7


def test_the_configuration_keeps_what_the_number_of_dims_became(small, tmp_path):
    run = replace(small, feature_dim=0, epochs=1)
    list(fit(run, tmp_path / "run"))
    assert read_run(tmp_path / "run" / "config.toml").feature_dim == 128
    assert list(fit(run, tmp_path / "run", resume=True)) == []
    list(compare(replace(DEMO_RUN, data=run.data, width=0.125, epochs=1, threads=1), ["Softmax"], tmp_path / "two"))
    assert read_run(tmp_path / "two" / "softmax" / "config.toml").feature_dim == 128
    assert "128 features" in (tmp_path / "two" / "comparison.json").read_text()
