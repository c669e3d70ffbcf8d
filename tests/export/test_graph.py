"""Exported graphs reproduce the run for every backbone, number of rows and runtime."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from cones.backbones import build
from cones.common.unit_vectors import direction
from cones.embedding import Model, embed, load_backbone
from cones.evaluation import Decision, calibrate
from cones.evaluation.scores import file_sha256
from cones.export import ExportError, check_export, decide, export_onnx, export_program, read_metadata
from cones.export._decide import spread_rows
from cones.open_set import EvaluationOptions, evaluate_run
from cones.training.data import read_data
from tests.tiny_run import Precision, train

DECISION = Decision(
    threshold=0.5, far=0.1, measured_far=0.1, measured_tar=0.9, same_pairs=3, different_pairs=7
)  # of no model yet


def decision_of(model: Model, **changes: Any) -> Decision:
    return replace(DECISION, model_sha256=file_sha256(model.weights), **changes)


def samples(model: Model, count: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(count)
    if model.input.images:
        return torch.randint(0, 256, (count, *model.input.shape), dtype=torch.uint8, generator=generator)
    return torch.randn(count, *model.input.shape, generator=generator)


def runtimes(model: Model, folder: Path) -> list[Callable[[torch.Tensor], torch.Tensor]]:
    """Functions from samples to embeddings: the ONNX file in onnxruntime, the program in PyTorch."""
    export_onnx(model, folder / "model.onnx", decision_of(model))
    export_program(model, folder / "model.pt2", decision_of(model))
    session = onnxruntime.InferenceSession(folder / "model.onnx", providers=["CPUExecutionProvider"])
    module = torch.export.load(folder / "model.pt2").module()
    return [lambda x: torch.from_numpy(session.run(None, {"images": x.numpy()})[0]), module]


@pytest.mark.parametrize(
    ("backbone", "precision"),
    [("lenets", "float64"), ("resnet", "float32"), ("mlp", "bfloat16")],
)
def test_every_runtime_gives_the_directions_of_the_run(tmp_path: Path, backbone: str, precision: Precision) -> None:
    model = load_backbone(train(tmp_path / "run", backbone, precision), device="cpu")
    for run in runtimes(model, tmp_path):
        for count in (1, 2, 7):
            x = samples(model, count)
            got = run(x)
            assert got.dtype == torch.float32
            torch.testing.assert_close(got, direction(embed(model, x))[0], rtol=0, atol=5e-6)


def test_a_zero_vector_stays_zero_and_lengths_do_not_matter(tmp_path: Path) -> None:
    model = load_backbone(train(tmp_path / "run", "identity"), device="cpu")
    x = torch.tensor([[0.0] * 6, [3e-30, 0, 4e-30, 0, 0, 0], [3e30, 0, 4e30, 0, 0, 0]])
    for run in runtimes(model, tmp_path):
        expected = torch.tensor([[0.0] * 6, [0.6, 0, 0.8, 0, 0, 0], [0.6, 0, 0.8, 0, 0, 0]])
        torch.testing.assert_close(run(x), expected)


def test_a_model_that_is_nothing_but_zero(lenets: Path, tmp_path: Path) -> None:
    model = load_backbone(lenets, device="cpu")
    for parameter in model.backbone.get_submodule("features").parameters():
        parameter.data.zero_()
    for run in runtimes(model, tmp_path):
        assert run(torch.zeros(1, 1, 16, 16, dtype=torch.uint8)).tolist() == [[0.0, 0.0, 0.0]]


CALIBRATION = calibrate(torch.tensor([0.9, 0.8, 0.3, 0.5, 0.1]), torch.tensor([True, True, True, False, False]))


@pytest.fixture(scope="module")
def exported(lenets: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of model.onnx and model.pt2 of the run, with a decision on calibrated scores."""
    folder = tmp_path_factory.mktemp("exported")
    model = load_backbone(lenets, device="cpu")
    decision = decision_of(model, threshold=0.1 + 0.2, calibration=CALIBRATION)
    export_onnx(model, folder / "model.onnx", decision)
    export_program(model, folder / "model.pt2", decision)
    return folder


def test_pictures_in_any_number_and_a_black_one(lenets: Path, exported: Path) -> None:
    model = load_backbone(lenets, device="cpu")
    pictures = torch.cat([torch.zeros(1, 1, 16, 16, dtype=torch.uint8), samples(model, 69)])
    for name in ("model.onnx", "model.pt2"):
        found = check_export(exported / name, model, pictures, decision_of(model))
        assert found.same
        assert (found.samples, found.pairs, found.wrong) == (70, 70 * 69 / 2, 0)
        assert found.embedding_difference < 5e-6


def test_the_onnx_file_says_what_it_takes(exported: Path) -> None:
    path = exported / "model.onnx"
    graph = onnx.load(path).graph
    onnx.checker.check_model(onnx.load(path), full_check=True)
    (given,), (gives,) = graph.input, graph.output
    shapes = [[dim.dim_param or dim.dim_value for dim in value.type.tensor_type.shape.dim] for value in (given, gives)]
    assert shapes == [["N", 1, 16, 16], ["N", 3]]
    assert (given.name, given.type.tensor_type.elem_type) == ("images", onnx.TensorProto.UINT8)
    assert (gives.name, gives.type.tensor_type.elem_type) == ("embeddings", onnx.TensorProto.FLOAT)
    assert sorted(entry.name for entry in exported.iterdir()) == ["model.onnx", "model.pt2"]  # no weights beside it


@pytest.mark.parametrize("suffix", ["onnx", "pt2"])
def test_the_decision_comes_back_as_it_was(lenets: Path, exported: Path, suffix: str) -> None:
    sha256 = file_sha256(lenets / "last.safetensors")
    decision = replace(DECISION, threshold=0.1 + 0.2, calibration=CALIBRATION, model_sha256=sha256)
    assert read_metadata(exported / f"model.{suffix}") == (decision, sha256)


def test_other_files_hold_no_decision(tmp_path: Path) -> None:
    program = torch.export.export(torch.nn.ReLU(), (torch.zeros(2),))
    torch.export.save(program, tmp_path / "other.pt2")
    with pytest.raises(ValueError, match=r"other.pt2 has no decision: export it with"):
        read_metadata(tmp_path / "other.pt2")


def test_decisions_that_a_graph_cannot_take_are_refused(lenets: Path, tmp_path: Path) -> None:
    model = load_backbone(lenets, device="cpu")
    with pytest.raises(ValueError, match="decision is on the euclidean with normalisation 'none'"):
        export_onnx(model, tmp_path / "model.onnx", decision_of(model, similarity="euclidean"))
    with pytest.raises(ValueError, match="decision is on the cosine with normalisation 's'"):
        export_program(model, tmp_path / "model.pt2", decision_of(model, normalisation="s", cohort_sha256="0" * 64))
    with pytest.raises(ValueError, match=r"decision is of the model with sha256 None, but .* has [0-9a-f]{64}"):
        export_program(model, tmp_path / "model.pt2", DECISION)
    assert list(tmp_path.iterdir()) == []


class Branching(torch.nn.Module):
    def forward(self, images: torch.Tensor) -> torch.Tensor:
        x = images.flatten(1)
        return x if x.sum() > 0 else -x


def test_a_net_that_cannot_be_traced_is_named(lenets: Path, tmp_path: Path) -> None:
    model = replace(load_backbone(lenets, device="cpu"), backbone=Branching())
    with pytest.raises(ExportError, match=r"backbone lenets cannot be traced by torch.export: .*write its forward"):
        export_program(model, tmp_path / "model.pt2", decision_of(model))
    assert list(tmp_path.iterdir()) == []


def test_missing_packages_are_named(lenets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    model = load_backbone(lenets, device="cpu")
    with pytest.raises(ModuleNotFoundError, match=r"onnx is not installed: pip install 'cones\[export\]', or export"):
        export_onnx(model, tmp_path / "model.onnx", decision_of(model))


def test_agreement_tells_rounding_from_wrong_decisions(lenets: Path, tmp_path: Path) -> None:
    """Unit vectors at 0, 60 and 120 degrees, cosines 0.5, 0.5, -0.5, against a file that gives others."""
    from cones.export._check import _compare

    def at(*degrees: float) -> torch.Tensor:
        radians = torch.tensor(degrees, dtype=torch.float64).deg2rad()
        return torch.stack([radians.cos(), radians.sin()], dim=1)

    found = _compare(at(0, 60, 120.0001), at(0, 60, 120), replace(DECISION, threshold=0.4999995))
    assert (found.samples, found.pairs, found.near, found.differing, found.wrong) == (3, 3, 2, 1, 0)
    assert found.same
    far = _compare(at(0, 60, 121), at(0, 60, 120), replace(DECISION, threshold=0.495))
    assert (far.near, far.differing, far.wrong, far.same) == (0, 1, 1, False)
    assert far.cosine_difference == pytest.approx(0.5 - np.cos(np.deg2rad(61)))
    turned = _compare(at(10, 70, 130), at(0, 60, 120), replace(DECISION, threshold=0.0))
    assert (turned.wrong, turned.same) == (0, False)  # no decision differs, but the embeddings do
    with pytest.raises(ValueError, match="images has 1 rows, expected at least 2"):
        check_export(tmp_path / "no.onnx", load_backbone(lenets, device="cpu"), torch.zeros(1), DECISION)


def test_a_threshold_is_chosen_on_pairs_of_both_kinds(lenets: Path) -> None:
    model = load_backbone(lenets, device="cpu")
    test = read_data(model.run).test
    decision = decide(model, test, 0.1)
    assert decision.model_sha256 == file_sha256(lenets / "last.safetensors")
    assert (decision.same_pairs, decision.different_pairs) == (4 * 15, 6 * 36)  # 4 classes of 6
    evaluated = evaluate_run(lenets, EvaluationOptions((0.1,), resamples=0)).evaluation.verification.tar[0]
    assert (decision.threshold, decision.measured_far, decision.measured_tar) == (
        evaluated.threshold,
        evaluated.reached,
        evaluated.tar,
    )


def test_rows_are_spread_over_the_classes_in_pairs() -> None:
    labels = torch.arange(50).repeat_interleave(10)
    rows = spread_rows(labels, 40)
    assert torch.bincount(labels[rows], minlength=50).unique().tolist() == [0, 2]
    assert torch.equal(rows, rows.sort().values)
    assert torch.bincount(labels[spread_rows(labels, 100)]).tolist() == [2] * 50
    assert spread_rows(labels, 1000).tolist() == list(range(500))
    uneven = torch.tensor([2, 0, 2, 2, 2, 5])
    assert spread_rows(uneven, 4).tolist() == [0, 1, 2, 5]


def test_a_backbone_keeps_its_own_precision_and_layout(lenets: Path, tmp_path: Path) -> None:
    model = load_backbone(lenets, device="cpu")
    before = [(p.dtype, p.stride(), p.requires_grad) for p in model.backbone.parameters()]
    export_program(model, tmp_path / "model.pt2", decision_of(model))
    assert [(p.dtype, p.stride(), p.requires_grad) for p in model.backbone.parameters()] == before
    assert build("lenets", (1, 16, 16), 3, 0.125).training
