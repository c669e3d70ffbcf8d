from pathlib import Path

import pytest
import torch

from cones.data import DataError
from cones.protocols import Embeddings, read_embeddings, write_embeddings

FULL = Embeddings(torch.arange(6.0).reshape(3, 2), ("b.jpg", "a.jpg", "é.jpg"), torch.tensor([1, 0, 1]), ("9", "10"))
BARE = Embeddings(FULL.features, None, None, ())


@pytest.mark.parametrize("suffix", [".npz", ".npy", ".safetensors"])
@pytest.mark.parametrize("embeddings", [FULL, BARE])
def test_what_is_written_is_read_back(tmp_path: Path, suffix: str, embeddings: Embeddings) -> None:
    path = tmp_path / f"e{suffix}"
    write_embeddings(str(path), embeddings)
    found = read_embeddings(path)
    assert torch.equal(found.features, embeddings.features)
    kept = embeddings if suffix != ".npy" else BARE
    assert found.names == kept.names
    assert (found.labels is None) == (kept.labels is None)
    if found.labels is not None:
        assert found.labels.tolist() == [1, 0, 1]
        assert found.classes == (("9", "10") if suffix == ".npz" else ("0", "1"))
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


def test_what_could_not_be_read_back_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"e.csv has the suffix '.csv', expected one of .npz, .npy, .safetensors"):
        write_embeddings(tmp_path / "e.csv", FULL)
    bad = torch.tensor([[0.0, 1.0], [torch.nan, 0.0], [0.0, torch.inf]])
    with pytest.raises(DataError, match=r"the embedding of a.jpg holds a NaN or an infinity, as do 2 of 3"):
        write_embeddings(tmp_path / "e.npz", Embeddings(bad, FULL.names, None, ()))
    with pytest.raises(DataError, match=r"the embedding of row 1 holds a NaN"):
        write_embeddings(tmp_path / "e.npz", Embeddings(bad, None, None, ()))
    with pytest.raises(DataError, match=r"the name 'a' occurs twice"):
        write_embeddings(tmp_path / "e.npz", Embeddings(torch.eye(2), ("a", "a"), None, ()))
    assert list(tmp_path.iterdir()) == []
