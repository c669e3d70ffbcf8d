"""Files changed by an editor, a disk or a stranger: each reader raises one one-line error, and no other."""

import json
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

import cones
from cones.common.expressions import parse_tree
from cones.common.run_folder import read_comparison, read_metrics, read_summary
from cones.common.tensor_file import read_tensors
from cones.data import DataError
from cones.evaluation import choose_decision, read_decision, write_decision
from cones.margins import parse
from cones.migrate import WeightsError, read_head, write_head
from cones.plots import write_comparison_report
from cones.plots.runs._run import read_finished_run
from cones.protocols import read_pairs_csv
from cones.training import CheckpointError, Position, Run, parse_objective, read_run, write_run
from cones.training.checkpoint import load_checkpoint, save_checkpoint
from cones.training.input import read_input

NASTY = (
    "1e999", "-1", "0", "0.5", "NaN", "-Infinity", "null", "true", '""', '"a"', "[]", "{}", "[[1]]", "1" * 5000,
    "999999999999999999999", "[" * 3000, "-" * 3000, '"\\ud800"', '"\\u001b[31m"', ",", ":", "}", "\0", "\n", "é", "(",
    "'", "=", "nan", "inf", "1979-05-27", "2**9", "lambda: 0", "x" * 500, "a:b", "ArcFace", "1j", "...", "b'a'",
)  # fmt: skip


@st.composite
def changed(draw, text):
    """`text` with up to three places cut out, doubled or replaced by what no reader expects."""
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(text)))
        stop = min(len(text), start + draw(st.integers(0, 12)))
        text = text[:start] + draw(st.sampled_from((*NASTY, text[start:stop] * 2, ""))) + text[stop:]
    return text


def write_metadata(path, metadata):
    tensors = {f"{side}_features": torch.eye(2) for side in ("train", "test")}
    tensors |= {f"{side}_labels": torch.tensor([0, 1]) for side in ("train", "test")}
    save_file(tensors | {"weight": torch.eye(2)}, path, metadata)


class Reader:
    """A valid text, how a changed one is put into a file and read, and the errors that may come of it."""

    def __init__(self, text, read, *errors):
        self.text, self.read, self.errors = text, read, errors


def file_of(name, read):
    def write_and_read(folder, text):
        path = folder / name
        path.write_bytes(text.encode("utf-8", "surrogatepass"))
        return read(path)

    return write_and_read


def in_features(folder, text):
    for name, content in (("summary.json", "{}"), ("metrics.jsonl", ""), ("config.toml", "")):
        (folder / name).write_text(content)
    margin, classes, names = [*text.split("|"), "", "", ""][:3]
    metadata = {"margin": margin, "classes": classes, "test_classes": names}
    write_metadata(
        folder / "features.safetensors",
        {key: value.encode("utf-8", "replace").decode() for key, value in metadata.items()},
    )
    return read_finished_run(folder)


def in_head(folder, text):
    path = folder / "head.safetensors"
    write_head(path, cones.Head(2, 3, cones.Softmax()))
    tensors, metadata = read_tensors(path)
    save_file(tensors, path, {**metadata, "head": text.encode("utf-8", "replace").decode()})
    return read_head(path)


def in_checkpoint(folder, text):
    net, loss = torch.nn.Linear(2, 2), torch.nn.Linear(1, 1)
    optimizer = torch.optim.SGD([*net.parameters(), *loss.parameters()], lr=0.1, momentum=0.9)
    path = folder / "last.safetensors"
    if not path.exists():
        save_checkpoint(path, net, loss, optimizer, Position(step=3))
    tensors, metadata = read_tensors(path)
    save_file(tensors, folder / "changed", {**metadata, "header": text.encode("utf-8", "replace").decode()})
    return load_checkpoint(folder / "changed", net, loss, optimizer)


def header():
    import random

    group: dict[str, object] = {"lr": 0.1, "momentum": 0.9, "dampening": 0, "weight_decay": 0, "nesterov": False}
    group |= {"maximize": False, "foreach": None, "differentiable": False, "fused": None, "params": [0, 1, 2, 3]}
    version, state, gauss = random.Random(0).getstate()
    return json.dumps(
        {
            "position": vars(Position(step=3)),
            "optimizer_scalars": {},
            "optimizer_groups": [group],
            "python_random": [version, state[:3], gauss],
        }
    )


READERS = {
    "config.toml": Reader(
        'loss = "ArcFace(margin=0.3, scale=16.0) + 0.01 * CenterLoss()"\nbackbone = "lenets"\nepochs = 3\n'
        "width = 0.5\nmilestones = [0.5, 0.8]\nflip = false\n",
        file_of("config.toml", read_run), ValueError,
    ),
    "input.json": Reader(
        '{"shape": [1, 12, 12], "num_classes": 4}', file_of("input.json", read_input), ValueError,
    ),
    "metrics.jsonl": Reader(
        '{"kind": "train", "step": 3, "epoch": 0.5, "images_per_second": 9.5}\n{"kind": "test", "step": 4}\n',
        file_of("metrics.jsonl", read_metrics), ValueError,
    ),
    "summary.json": Reader(
        '{"name": "a", "train_accuracy": 0.5, "test_accuracy": null, "seconds": 3.5, "geometry": {"mean": 1.0}}',
        file_of("summary.json", read_summary), ValueError,
    ),
    "comparison.json": Reader(
        '{"title": "two", "runs": ["softmax", "arcface"]}',
        file_of("comparison.json", lambda path: read_comparison(path.parent)), ValueError,
    ),
    "comparison.json, drawn": Reader(
        '{"title": "two", "runs": ["softmax", "arcface"]}',
        file_of("comparison.json", lambda path: write_comparison_report(path.parent)), ValueError, FileNotFoundError,
    ),
    "decision.json": Reader(
        json.dumps(
            {
                "format": "cones decision", "version": 1, "threshold": 0.5, "far": 0.1, "measured_far": 0.1,
                "measured_tar": 0.9, "same_pairs": 3, "different_pairs": 4, "similarity": "cosine",
                "normalisation": "none", "top": None, "cohort_sha256": None, "model_sha256": None,
                "calibration": {"slope": 1.0, "offset": 0.5, "prior": 0.5, "separable": False},
            }
        ),
        file_of("decision.json", read_decision), ValueError,
    ),
    "pairs.csv": Reader(
        "a,b,same,fold\nx/1,x/2,1,0\nx/1,y/1,0,1\n", file_of("pairs.csv", read_pairs_csv), DataError,
    ),
    "features.safetensors": Reader('CosFace(margin=0.3)|["a", "b"]|["a", "b"]', in_features, ValueError),
    "head.safetensors": Reader(
        '{"margin": "CosFace(margin=0.3)", "num_classes": 3, "label_smoothing": 0.0, "focal": 0.0}',
        in_head, WeightsError,
    ),
    "last.safetensors": Reader(header(), in_checkpoint, CheckpointError),
    "a margin": Reader("ArcFace(margin=0.3, scale=16.0)", lambda _, text: parse(text, trust=False), ValueError),
    "an objective": Reader(
        "ASoftmax(margin=4, blend=Annealing(base=10.0)) + 0.01 * VPL(margin=CosFace(margin=0.2)) + 2 * RingLoss",
        lambda _, text: parse_objective(text, trust=False), ValueError,
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("broken")


@pytest.mark.parametrize("name", READERS)
@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_changed_text_gives_the_reader_s_own_error(folder, name, data):
    reader = READERS[name]
    text = data.draw(changed(reader.text))
    state = torch.get_rng_state()
    try:
        reader.read(folder, text)
    except reader.errors as error:
        said = str(error)
        assert "\n" not in said
        assert len(said) < 480 + 2 * len(str(folder))
    finally:
        torch.set_rng_state(state)


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("input.json", ("12, 12", "1e999, 12"), r"input.json is broken \(shape is \[1, inf, 12\], expected \[channels"),
        ("input.json", ("[1, 12, 12]", "[1, 2, 12, 12]"), r"shape is \[1, 2, 12, 12\], expected"),
        (
            "input.json",
            ("[1, 12, 12]", "[3, 65536, 65536]"),
            r"a sample of 12,884,901,888 numbers, expected below 2\^31",
        ),
        ("input.json", ("4}", "true}"), r"num_classes is True, expected a whole number of at least 1"),
        ("metrics.jsonl", ('"step": 3', '"step": "3"'), r"metrics.jsonl, line 1: step is '3', expected int"),
        ("metrics.jsonl", ('"test"', "[" * 100_000), r"metrics.jsonl, line 2 is not JSON: "),
        ("summary.json", ("3.5", '"a"'), r"summary.json: seconds is 'a', expected int or float"),
        ("config.toml", ("[0.5, 0.8]", '["a"]'), r"milestones is \['a'\], expected a tuple such as"),
        (
            "config.toml",
            ("width = 0.5", "width = 1" + 400 * "0"),
            r"width is 1000.* \.\.\. 0+, expected a float such as",
        ),
        (
            "config.toml",
            ("epochs = 3", "epochs = 99999999999"),
            r"epochs is 99999999999, expected at least 1 and below",
        ),
        ("config.toml", ("[0.5", "[" * 9_000), r"config.toml is not TOML: "),
        (
            "pairs.csv",
            ("1,0\n", "1,999999999999999999\n"),
            r"line 2 of .*pairs.csv has fold '999999999999999999'.*below 2",
        ),
        ("last.safetensors", ('"step": 3', '"step": "a"'), r"changed is not a checkpoint: step of its position is 'a'"),
        (
            "last.safetensors",
            ('"step": 3', '"stop": 3'),
            r"changed is not a checkpoint: position is .*, expected step, epoch",
        ),
        ("last.safetensors", ('"epoch"', '"epoch"'), r"its random state does not fit \(ValueError: state vector"),
        ("last.safetensors", ("[0, 1, 2, 3]", "[0, 1]"), r"its optimizer state does not fit \(ValueError: "),
        ("head.safetensors", ("3, ", '"a", '), r"head.safetensors is broken \(ValueError: invalid literal"),
        (
            "features.safetensors",
            ('|["a", "b"]', "|3"),
            r"features.safetensors: classes is 3, expected a list of names",
        ),
    ],
)
def test_the_file_and_the_field_are_named(folder, name, change, message):
    reader = READERS[name]
    assert change[0] in reader.text
    with pytest.raises(reader.errors, match=message) as raised:
        reader.read(folder, reader.text.replace(*change, 1))
    assert len(str(raised.value).splitlines()) == 1


@pytest.mark.parametrize(
    "text",
    [
        "ArcFace(" + ", ".join(f"field{n}=1" for n in range(3000)) + ")",
        "ArcFace(" + "x" * 6000 + "=1)",
        "X" * 6000,
        "ArcFace(margin='" + "x" * 6000 + "')",
        "CosFace(margin=(" + "-1.0, " * 3000 + "))",
        "Softmax + " * 3000 + "Softmax",
        "Softmax + 0.1 * " * 60 + "MHE",
        "-" * 20_000 + "1",
        "not " * 20_000 + "1",
        "(" * 20_000 + ")" * 20_000,
        "ArcFace(margin=" * 5000 + ")" * 5000,
        "[" * 50 + "]" * 50,
        "a." * 9000 + "b",
        "a:b" * 3000,
        "lambda: " * 5000 + "0",
        "1 if 1 else " * 5000 + "0",
        "# '\n" + "(" * 500 + "#'\n" + ")" * 500,
        "x" * 5_000_000,
        "0.1 * " * 200 + "MHE",
        "ArcFace(" * 90 + ")" * 90,
    ],
    ids=lambda text: text[:20],
)
def test_long_and_deep_expressions_are_refused_in_one_short_line(text):
    for read in (
        parse_tree,
        parse,
        parse_objective,
        lambda text: Run(loss=text),
        lambda text: Run(backbone=text + ":X"),
    ):
        if read is parse_tree and text.startswith(
            ("ArcFace(f", "ArcFace(x", "ArcFace(A", "XX", "ArcFace(margin='", "CosFace", "[")
        ):
            continue  # an expression all the same, of no margin
        with pytest.raises(ValueError) as raised:
            read(text)
        assert len(str(raised.value)) < 400
        assert len(str(raised.value).splitlines()) == 1


def test_counts_of_many_classes_are_read():
    counts = tuple(range(20_000, 0, -1))
    margin = cones.LDAM(counts=counts)
    assert parse(repr(margin)) == margin


def test_what_is_written_is_read(tmp_path):
    run = Run(loss="Softmax + 0.1 * CenterLoss", milestones=(0.5,), learning_rate=1.0)
    write_run(tmp_path / "config.toml", run)
    assert read_run(tmp_path / "config.toml").milestones == (0.5,)
    assert "trust" not in (tmp_path / "config.toml").read_text()
    x, pairs = torch.tensor([[1.0, 0.0], [0.8, 0.6], [0.0, 1.0]]), torch.tensor([[0, 1], [0, 2]])
    decision = choose_decision(x, pairs, torch.tensor([True, False]), far=0.0)
    write_decision(tmp_path / "decision.json", decision)
    assert read_decision(tmp_path / "decision.json") == decision
