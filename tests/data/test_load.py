import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cones.data import default_root, load, named


@pytest.fixture
def spec(tmp_path: Path) -> str:
    np.savez(tmp_path / "toy.npz", features=np.eye(20), labels=np.arange(20) % 5)
    return f"npz:{tmp_path / 'toy.npz'}"


def test_without_a_split_of_its_own_a_set_is_split_by_sample(spec: str) -> None:
    splits = load(spec, test_fraction=0.25)
    assert splits.kind == "sample"
    assert (len(splits.train), len(splits.test)) == (15, 5)


def test_a_split_by_identity_can_be_asked_for(spec: str) -> None:
    splits = load(spec, split="identity", test_fraction=0.4, seed=1)
    assert (splits.train.num_classes, splits.test.num_classes) == (3, 2)


def test_a_split_that_is_not_there_cannot_be_asked_for(spec: str) -> None:
    with pytest.raises(ValueError, match=r"split is 'given', but npz:.* comes without a split; use 'sample'"):
        load(spec, split="given")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"split": "random"}, "split is 'random'; expected one of auto, given, sample, identity"),
        ({"test_fraction": 0.0}, "test_fraction is 0.0; expected a number between 0 and 1"),
        ({"test_fraction": float("nan")}, "test_fraction is nan"),
        ({"image_size": 0}, "image_size is 0; expected at least 1 pixel"),
    ],
)
def test_wrong_arguments_are_named(spec: str, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        load(spec, **arguments)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (
            "mnist5",
            r"spec is 'mnist5', .*; did you mean mnist5k\? expected one of mnist5k, mnist, .*csv:PATH",
        ),
        ("fashion_mnist", r"did you mean fashion-mnist\?"),
        ("foldr:here", r"did you mean folder:here\?"),
        ("quite different", r"not a known data set; expected one of mnist5k"),
        ("npz:", "spec is 'npz:'; expected a path after npz:"),
    ],
)
def test_an_unknown_name_is_met_with_what_was_meant(wrong: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        load(wrong)


def test_a_bare_path_is_met_with_its_form(tmp_path: Path, spec: str) -> None:
    with pytest.raises(ValueError, match=r"did you mean folder:/"):
        load(str(tmp_path))
    with pytest.raises(ValueError, match=r"did you mean npz:/.*toy.npz\?"):
        load(spec.removeprefix("npz:"))


def test_the_data_folder_can_be_chosen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CONES_DATA", str(tmp_path))
    assert default_root() == tmp_path
    assert {known.folder.parent for known in named()} == {tmp_path}
    monkeypatch.setenv("CONES_DATA", "")
    assert default_root() == Path.home() / ".cache" / "cones"


def test_the_import_is_light() -> None:
    code = "import sys, cones.data; print([name for name in ('PIL', 'rich') if name in sys.modules])"
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert output.strip() == "[]"
