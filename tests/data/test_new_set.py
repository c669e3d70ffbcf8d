"""A data set is known by name once it is in the table: loaded, listed, split and suggested."""

from pathlib import Path

import pytest
import torch

from cones.cli.app import main
from cones.data import Dataset, load, named
from cones.data import _named as table
from cones.data._known import KnownSet


def read(root: Path, image_size: int | None) -> Dataset:
    size = image_size or 4
    images = torch.zeros(40, 1, size, size, dtype=torch.uint8)
    return Dataset("stripes", images, torch.arange(40) % 8, tuple("abcdefgh"))


def stripes(unseen: float | None = None) -> KnownSet:
    return KnownSet("stripes", "stripes of 8 widths", 40, 8, (1, 4, 4), "pip: stripes", read, Path.is_dir, unseen)


def test_a_line_in_the_table_makes_a_named_set(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(table, "SETS", (*table.SETS, stripes()))
    assert load("stripes", root=tmp_path).kind == "sample"
    assert load("stripes", root=tmp_path, image_size=6).test.inputs.shape == (8, 1, 6, 6)
    last = named(tmp_path)[-1]
    assert (last.name, last.folder, last.on_disk) == ("stripes", tmp_path / "stripes", True)
    with pytest.raises(ValueError, match=r"did you mean stripes\? expected one of mnist5k, .*, stripes, folder:PATH"):
        load("stripe", root=tmp_path)
    with pytest.raises(SystemExit):
        main(["data", "--data-folder", str(tmp_path)])
    assert "stripes " in capsys.readouterr().out


def test_a_set_may_hold_out_classes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(table, "SETS", (stripes(unseen=0.25),))
    splits = load("stripes", root=tmp_path)
    assert splits.kind == "identity"
    assert splits.test.num_classes == 2
    assert load("stripes", root=tmp_path, split="sample").test.num_classes == 8
