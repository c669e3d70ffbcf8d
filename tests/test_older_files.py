"""Files of an older version: a run, a head and an exported graph, written before modules moved, still load."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from cones import ArcFace
from cones.embedding import embed, load_backbone
from cones.migrate import read_head
from cones.training import fit, read_run

OLD = Path(__file__).parent / "fixtures" / "before_rooms"
IMAGES = torch.from_numpy(np.load(OLD / "data.npz")["images"])[:4, None]
EMBEDDINGS = torch.from_numpy(np.load(OLD / "embeddings.npy"))


def test_a_run_embeds_as_it_did():
    torch.testing.assert_close(
        embed(load_backbone(OLD / "run", device="cpu"), IMAGES), EMBEDDINGS, rtol=1e-5, atol=1e-6
    )


def test_a_run_goes_on(tmp_path, monkeypatch):
    shutil.copytree(OLD, tmp_path / "old")
    monkeypatch.chdir(tmp_path / "old")
    run = read_run(Path("run") / "config.toml")
    with pytest.warns(UserWarning, match="the run goes to epoch 2"):
        lines = list(fit(run.__class__(**{**vars(run), "epochs": 2}), "run", resume=True))
    assert [line["epoch"] for line in lines if line["kind"] == "test"] == [2]


def test_a_head_is_what_it_was():
    head = read_head(OLD / "head.safetensors")
    assert (head.margin, head.num_classes, head.in_features) == (ArcFace(margin=0.3, scale=16.0), 5, 4)


def test_an_exported_graph_gives_the_directions_of_the_run():
    onnxruntime = pytest.importorskip("onnxruntime")
    session = onnxruntime.InferenceSession(OLD / "exported" / "model.onnx", providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {"images": IMAGES.numpy()})
    expected = torch.nn.functional.normalize(EMBEDDINGS)
    torch.testing.assert_close(torch.from_numpy(found), expected, rtol=1e-5, atol=1e-5)
