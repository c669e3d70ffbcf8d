"""What is read as a file is a regular file: a device, a pipe, a folder and a missing file are said in one wording."""

import os
import re
from pathlib import Path

import pytest
import torch

from cones.common.regular_file import not_a_file
from cones.common.run_features import read_run_features
from cones.common.run_folder import read_text
from cones.data import load
from cones.evaluation import read_decision
from cones.export import read_metadata
from cones.migrate import read_head, read_weights
from cones.open_set import PictureFiles
from cones.protocols import (
    read_bin,
    read_embeddings,
    read_face_records,
    read_lfw_pairs,
    read_pairs_csv,
    read_scores_csv,
    read_templates,
    read_trials,
)
from cones.training import read_run
from cones.training.checkpoint import load_weights

READERS = {
    "data.npz": lambda path: load(f"npz:{path}"),
    "data.csv": lambda path: load(f"csv:{path}"),
    "embeddings.npz": read_embeddings,
    "embeddings.npy": read_embeddings,
    "embeddings.safetensors": read_embeddings,
    "pairs.csv": read_pairs_csv,
    "trials.txt": read_trials,
    "lfw.txt": read_lfw_pairs,
    "templates.txt": lambda path: read_templates(path, path),
    "scores.csv": read_scores_csv,
    "pairs.bin": read_bin,
    "faces.rec": read_face_records,
    "picture.png": lambda path: PictureFiles([path])[0],
    "head.safetensors": read_head,
    "weights.pt": read_weights,
    "last.safetensors": lambda path: load_weights(path, torch.nn.Linear(1, 1)),
    "features.safetensors": read_run_features,
    "config.toml": read_run,
    "metrics.jsonl": read_text,
    "decision.json": read_decision,
    "model.pt2": read_metadata,
}


def put(path, kind):
    """Put something that is not a regular file at `path`, and return what its error begins with."""
    match kind:
        case "device":
            path.symlink_to("/dev/zero")  # endless
        case "pipe":
            os.mkfifo(path)  # to open it would wait for a writer
        case "folder":
            path.mkdir()
            return f"{path} is a folder, expected a file"
        case "link":
            path.symlink_to("nowhere")
            return f"{path} is a broken link"
        case "missing":
            return f"there is no file {path}"
    return f"{path} is not a regular file"


@pytest.mark.parametrize("kind", ["device", "pipe", "folder", "link", "missing"])
@pytest.mark.parametrize("name", READERS)
def test_readers_take_regular_files(tmp_path, name, kind):
    said = put(tmp_path / name, kind)
    (tmp_path / "faces.idx").write_text("0\t0\n")
    with pytest.raises((RuntimeError, ValueError, FileNotFoundError), match=re.escape(said)) as raised:
        READERS[name](tmp_path / name)
    assert len(str(raised.value).splitlines()) == 1


def test_a_regular_file_and_a_link_to_one_are_read(tmp_path):
    (tmp_path / "file").write_text("text")
    (tmp_path / "link").symlink_to("file")
    assert not_a_file(tmp_path / "file") == not_a_file(tmp_path / "link") == ""
    assert not_a_file(Path("a\0b")).startswith("there is no file")
