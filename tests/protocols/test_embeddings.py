import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from cones.data import DataError
from cones.protocols import Embeddings, read_embeddings, read_trials

FEATURES = np.arange(6.0).reshape(3, 2)
NOT_FINITE = np.array([[0.0, 1.0], [np.nan, 1.0], [0.0, 1.0]])
NAMES = ["b.jpg", "a.jpg", "é.jpg"]


class Trap:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


def npz(tmp_path: Path, **arrays: Any) -> Path:
    np.savez(tmp_path / "toy.npz", **arrays)
    return tmp_path / "toy.npz"


@pytest.mark.parametrize("key", ["features", "embeddings"])
def test_npz(tmp_path: Path, key: str) -> None:
    found = read_embeddings(npz(tmp_path, **{key: FEATURES}, names=NAMES, labels=[10, 9, 10]))
    assert found.features.dtype == torch.float32
    assert found.features.tolist() == FEATURES.tolist()
    assert found.names == tuple(NAMES)
    assert found.labels is not None
    assert found.labels.tolist() == [1, 0, 1]
    assert found.classes == ("9", "10")
    assert found.rows(["é.jpg", "b.jpg", "b.jpg"]).tolist() == [2, 0, 0]


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.int8])
def test_npy_is_features_alone(tmp_path: Path, dtype: Any) -> None:
    np.save(tmp_path / "toy.npy", FEATURES.astype(dtype))
    found = read_embeddings(str(tmp_path / "toy.npy"))
    assert (found.names, found.labels, found.classes, len(found)) == (None, None, (), 3)
    assert found.features.tolist() == FEATURES.tolist()


def test_numbers_too_small_for_float32_are_not_taken_for_0(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.array([[0.0, 0.0], [1e-300, 2e-300]]))
    with pytest.raises(DataError, match=r"row 1 of the array of .* is too small for float32, .* 2e-300, as are 1 of 2"):
        read_embeddings(tmp_path / "x.npy")


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_safetensors(tmp_path: Path, dtype: torch.dtype) -> None:
    tensors = {"features": torch.from_numpy(FEATURES).to(dtype), "labels": torch.tensor([5, 7, 5])}
    save_file(tensors, tmp_path / "toy.safetensors", {"names": json.dumps(NAMES)})
    found = read_embeddings(tmp_path / "toy.safetensors")
    assert found.features.dtype == torch.float32
    assert found.features.tolist() == FEATURES.tolist()
    assert found.names == tuple(NAMES)
    assert found.labels is not None
    assert found.labels.tolist() == [0, 1, 0]
    save_file({"embeddings": tensors["features"]}, tmp_path / "toy.safetensors")
    assert read_embeddings(tmp_path / "toy.safetensors").names is None


def test_the_features_of_a_list_of_pairs(tmp_path: Path) -> None:
    (tmp_path / "trials.txt").write_text("1 a.jpg b.jpg\n0 a.jpg c.jpg\n")
    pairs = read_trials(tmp_path / "trials.txt")
    found = read_embeddings(npz(tmp_path, features=FEATURES, names=NAMES))
    with pytest.raises(DataError, match=r"1 of 3 names have no embedding, the first of them 'c.jpg'; .* like 'b.jpg'"):
        found.rows(pairs.names)
    with pytest.raises(DataError, match="the embeddings have no names to look 3 up in"):
        read_embeddings(npz(tmp_path, features=FEATURES)).rows(pairs.names)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({}, r"holds the arrays \(none\); expected features \(or embeddings\), and names or labels"),
        ({"x": FEATURES}, "holds the arrays x; expected features"),
        ({"features": FEATURES, "label": [0, 1, 0]}, "holds the arrays features, label; .*; rename label to labels$"),
        ({"embedding": FEATURES, "name": NAMES}, "; rename embedding to embeddings and name to names$"),
        ({"features": FEATURES, "embeddings": FEATURES}, "holds the arrays embeddings, features; expected"),
        ({"features": FEATURES[0]}, r"features of .* is \(2,\) float64; expected \(N, D\) real numbers"),
        ({"features": FEATURES > 1}, r"features of .* is \(3, 2\) bool; expected"),
        ({"features": FEATURES + 1j}, "complex128; expected"),
        ({"features": FEATURES[:0]}, r"the features of .* are \(0, 2\); expected at least one"),
        ({"features": FEATURES[:, :0]}, r"the features of .* are \(3, 0\); expected at least one"),
        ({"features": NOT_FINITE}, "row 1 of the features of .* a NaN or an infinity .* 1 of 3 rows"),
        ({"features": FEATURES * 1e300}, r"row 0 of .* infinity \(in float32\), as do 3 of 3"),
        ({"features": FEATURES, "names": [1, 2, 3]}, r"names of .* is \(3,\) int64; expected \(N,\) strings"),
        ({"features": FEATURES, "names": [b"a", b"b", b"c"]}, r"names of .* is \(3,\) \|S1; expected"),
        ({"features": FEATURES, "names": [["a"]] * 3}, r"names of .* is \(3, 1\) <U1; expected"),
        ({"features": FEATURES, "names": NAMES[:2]}, "has 2 names for 3 features; expected one each"),
        ({"features": FEATURES, "names": ["a", "b", "a"]}, "has the name 'a' twice; expected names that differ"),
        ({"features": FEATURES, "labels": [0.0, 1.0, 2.0]}, r"labels of .* is \(3,\) float64; expected \(N,\) int"),
        ({"features": FEATURES, "labels": [0, 1]}, "has 2 labels for 3 features; expected one each"),
    ],
)  # fmt: skip
def test_what_is_wrong_in_an_npz_is_said(tmp_path: Path, arrays: dict[str, Any], message: str) -> None:
    with np.errstate(all="ignore"), pytest.raises(DataError, match=message) as caught:
        read_embeddings(npz(tmp_path, **arrays))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("suffix", [".npz", ".npy"])
def test_what_is_pickled_is_refused_unread(tmp_path: Path, suffix: str) -> None:
    trap = np.array([Trap(tmp_path / "sprung")], dtype=object)
    path = tmp_path / f"toy{suffix}"
    if suffix == ".npz":
        np.savez(path, features=FEATURES, names=trap)
    else:
        np.save(path, trap)
    with pytest.raises(DataError, match="holds pickled Python objects, which are not read"):
        read_embeddings(path)
    (tmp_path / "bare.npy").write_bytes(pickle.dumps(Trap(tmp_path / "sprung")))
    with pytest.raises(DataError, match="holds pickled Python objects, which are not read"):
        read_embeddings(tmp_path / "bare.npy")
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("cut", [0, 7, 100, -1])
@pytest.mark.parametrize("suffix", [".npz", ".npy", ".safetensors"])
def test_a_file_cut_short(tmp_path: Path, suffix: str, cut: int) -> None:
    path = tmp_path / f"toy{suffix}"
    if suffix == ".safetensors":
        save_file({"features": torch.from_numpy(FEATURES)}, path)
    elif suffix == ".npz":
        np.savez(path, features=FEATURES)
    else:
        np.save(path, FEATURES)
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(DataError, match=f"toy{suffix} cannot be read as an? "):
        read_embeddings(path)


@pytest.mark.parametrize("shape", [(10**12, 512), (10**18, 512)])
def test_an_array_that_claims_to_be_huge(tmp_path: Path, shape: tuple[int, int]) -> None:
    path = tmp_path / "toy.npy"
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "<f8", "fortran_order": False, "shape": shape})
        file.write(bytes(80))
    with pytest.raises(DataError, match=r"cannot be read as an .npy file"):
        read_embeddings(path)


def test_a_wrong_name_and_wrong_metadata(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"has the suffix '.pkl'; expected one of .npz, .npy, .safetensors"):
        read_embeddings(tmp_path / "toy.pkl")
    npz(tmp_path, features=FEATURES).rename(tmp_path / "toy.npy")
    with pytest.raises(DataError, match=r"is an .npz file by its contents; rename it"):
        read_embeddings(tmp_path / "toy.npy")
    for names in ('["a", 1, "b"]', '{"a": 1}', "a,b,c", "[" * 100_000):
        save_file({"features": torch.ones(3, 2)}, tmp_path / "toy.safetensors", {"names": names})
        with pytest.raises(DataError, match='has "names" that are not a JSON list of strings'):
            read_embeddings(tmp_path / "toy.safetensors")
    save_file({"features": torch.ones(3)}, tmp_path / "toy.safetensors")
    with pytest.raises(DataError, match=r"features of .* is \(3,\) torch.float32; expected \(N, D\)"):
        read_embeddings(tmp_path / "toy.safetensors")


def test_another_suffix_is_found_where_it_is_the_only_one() -> None:
    found = Embeddings(torch.eye(5), ("a.png", "b.jpg", "b.png", "v1.2", "c.flac"), None, ())
    assert found.rows(["a.jpg", "b.jpg", "c.wav", "a"]).tolist() == [0, 1, 4, 0]
    with pytest.raises(DataError, match=r"1 of 1 names have no embedding, the first of them 'b.bmp'"):
        found.rows(["b.bmp"])
    with pytest.raises(DataError, match=r"the first of them 'v1.3'"):
        found.rows(["v1.3"])
