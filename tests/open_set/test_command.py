"""`cones evaluate` on every kind of source: the figures of the library, a table, JSON, CSV and a report."""

import csv
import io
import json
import pickle
import re

import numpy as np
import pytest
import torch
from PIL import Image

from cones.cli.app import main
from cones.data import DataError
from cones.evaluation import evaluate, evaluate_pairs, pair_scores
from cones.open_set import EvaluationOptions, evaluate_list, evaluate_scores, subjects_of
from cones.protocols import Pairs, read_embeddings, read_scores_csv, write_embeddings
from tests.narrowing import not_none
from tests.tiny_run import train

PEOPLE = ("ann", "bob", "cy", "di", "ed", "flo")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return train(tmp_path_factory.mktemp("runs") / "lenets", "lenets")


@pytest.fixture
def faces(tmp_path):
    """Embeddings of six people with names and labels, on the disk."""
    random = np.random.default_rng(0)
    labels = np.repeat(PEOPLE, 8)
    features = np.repeat(random.standard_normal((6, 5)), 8, axis=0) + 0.6 * random.standard_normal((48, 5))
    names = [f"{name}/{place}.png" for place, name in enumerate(labels)]
    path = tmp_path / "faces.npz"
    np.savez(path, features=features, names=names, labels=labels)
    return path


def cones(*arguments):
    with pytest.raises(SystemExit) as ended:
        main(["evaluate", *map(str, arguments)])
    return ended.value.code


def written(out):
    lines = list(csv.DictReader(io.StringIO((out / "evaluation.csv").read_text())))
    return json.loads((out / "evaluation.json").read_text()), {line["figure"]: line for line in lines}


def test_labelled_embeddings(faces, tmp_path, capsys):
    out = tmp_path / "out"
    assert cones(faces, "--far", 0.1, 0.01, "--resamples", 20, "--out", out) == 0
    given = read_embeddings(faces)
    expected = evaluate(given.features, not_none(given.labels), (0.1, 0.01), resamples=20)
    numbers, lines = written(out)
    assert numbers["verification"]["eer"] == expected.verification.eer
    assert float(lines["R@1"]["value"]) == not_none(expected.retrieval).recall[0]
    assert lines["TAR at FAR 0.1"]["low"] == repr(not_none(not_none(expected.intervals).tar[0])[0])
    text = capsys.readouterr().out
    assert "48 samples of 6 subjects" in text
    assert str(out / "report.html") in text
    assert "ann" in (out / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("form", ["csv", "trials", "lfw"])
def test_lists_of_pairs(faces, tmp_path, form):
    given = read_embeddings(faces)
    first, second = torch.triu_indices(48, 48, 1)
    if form == "lfw":  # its names are ann/ann_0001.jpg
        names = tuple(f"{name}/{name}_{place:04d}.jpg" for name in PEOPLE for place in range(1, 9))
        np.savez(faces, features=given.features.numpy(), names=names)
        given = read_embeddings(faces)
    person = [name.split("/")[0] for name in not_none(given.names)]
    same = torch.tensor([person[i] == person[j] for i, j in zip(first.tolist(), second.tolist(), strict=True)])
    if form == "lfw":  # as many genuine pairs as impostors
        some = torch.cat([same.nonzero()[:60, 0], (~same).nonzero()[:60, 0]])
        first, second, same = first[some], second[some], same[some]
    lines, names = [], not_none(given.names)
    for i, j, genuine in zip(first.tolist(), second.tolist(), same.tolist(), strict=True):
        a, b = names[i], names[j]
        if form == "csv":
            lines.append(f"{a},{b},{int(genuine)}")
        elif form == "trials":
            lines.append(f"{int(genuine)} {a} {b}")
        else:
            (one, m), (other, n) = ((name.split("/")[0], int(name[-8:-4])) for name in (a, b))
            lines.append(f"{one}\t{m}\t{n}" if genuine else f"{one}\t{m}\t{other}\t{n}")
    head = {"csv": ["a,b,same"], "trials": [], "lfw": ["60"]}[form]
    path = tmp_path / ("pairs.csv" if form == "csv" else "pairs.txt")
    path.write_text("\n".join(head + lines) + "\n")
    assert cones(faces, "--pairs", path, "--far", 0.1, "--resamples", 20, "--out", tmp_path / "out") == 0
    numbers, _ = written(tmp_path / "out")
    scores = pair_scores(given.features, torch.stack([first, second], 1), "cosine")
    assert numbers["verification"]["eer"] == evaluate_pairs(scores, same, far=(0.1,), resamples=0).verification.eer
    assert numbers["intervals"]["resampled"] == "subjects"


@pytest.mark.parametrize("mark", ["", "\ufeff", "\n\n"], ids=["plain", "mark", "blank lines"])
@pytest.mark.parametrize("form", ["1 12", "12", "1", "path path 1"])
def test_lists_of_lfw_beside_aligned_pictures(tmp_path, form, mark):
    random = np.random.default_rng(0)
    names = [f"{name}/{name}_{place:04d}.png" for name in PEOPLE for place in range(1, 5)]
    np.savez(tmp_path / "e.npz", features=random.standard_normal((24, 5)), names=names)
    genuine = [(name, first, name, second) for name in PEOPLE for first, second in ((1, 2), (3, 4))]
    impostor = [
        (one, place, two, place) for one, two in zip(PEOPLE[:3], PEOPLE[3:], strict=True) for place in range(1, 5)
    ]
    if form == "path path 1":
        lines = [
            f"{a}/{a}_{m:04d}.jpg {b}/{b}_{n:04d}.jpg {int(pairs is genuine)}"
            for pairs in (genuine, impostor) for a, m, b, n in pairs
        ]  # fmt: skip
    else:
        size = int(form.split()[-1])
        lines = [form, *(f"{a}\t{m}\t{n}" for a, m, _, n in genuine[:size])]
        lines += [f"{a}\t{m}\t{b}\t{n}" for a, m, b, n in impostor[:size]]
    (tmp_path / "pairs.txt").write_text(mark + "\n".join(lines) + "\n", encoding="utf-8")
    given = read_embeddings(tmp_path / "e.npz")
    found = evaluate_list(given, tmp_path / "pairs.txt", EvaluationOptions(resamples=0))
    assert (
        found.evaluation.verification.genuine == found.evaluation.verification.impostors == (1 if form == "1" else 12)
    )
    assert found.evaluation.folds is None
    assert not_none(found.names)[0] == "ann/ann_0001.png"


def test_whose_files_they_are():
    def pairs(names, ends):
        first, second, same = zip(*ends, strict=True)
        return Pairs(names, torch.tensor(first), torch.tensor(second), torch.tensor(same), None, None)

    in_folders = pairs(("ann/1", "ann/2", "bob/1"), [(0, 1, True), (0, 2, False)])
    assert subjects_of(in_folders)[1] == ["ann", "bob"]
    # a folder a recording, not a speaker: genuine pairs link them
    linked = pairs(("x/1", "y/1", "z/1", "v/1"), [(1, 0, True), (2, 1, True), (3, 0, False)])
    numbers, names = subjects_of(linked)
    assert (not_none(numbers).tolist(), names) == ([0, 0, 0, 1], ["x/1", "v/1"])
    contradicting = pairs(("a", "b", "c"), [(0, 1, True), (1, 2, True), (0, 2, False)])
    assert subjects_of(contradicting) == (None, None)


def test_a_pair_that_is_listed_twice(faces, tmp_path, capsys):
    path = tmp_path / "pairs.csv"
    lines = [f"ann/0.png,ann/{place}.png,1\nann/0.png,bob/{place + 8}.png,0\n" for place in range(1, 8)]
    path.write_text("a,b,same\n" + "".join(lines) * 2)
    given = ("--pairs", path, "--far", 0.1, "--resamples", 5, "--out", tmp_path / "out")
    assert cones(faces, *given) == 2
    assert "hold the same pair" in capsys.readouterr().err
    assert cones(faces, *given, "--repeats") == 0
    assert written(tmp_path / "out")[0]["pairs"] == 28


def test_templates(faces, tmp_path):
    given = read_embeddings(faces)
    members = tmp_path / "tid_mid.txt"
    members.write_text("".join(f"{name} {place // 2} {place}\n" for place, name in enumerate(not_none(given.names))))
    pairs = tmp_path / "pairs.txt"
    lines = [f"{i} {j} {int(i // 4 == j // 4)}" for i in range(24) for j in range(i + 1, 24)]
    pairs.write_text("\n".join(lines) + "\n")
    lists = ("--templates", members, "--template-pairs", pairs)
    assert cones(faces, *lists, "--far", 0.1, "--resamples", 10, "--out", tmp_path / "o") == 0
    numbers, _ = written(tmp_path / "o")
    unit = torch.nn.functional.normalize(given.features.double())
    means = torch.nn.functional.normalize(unit.view(24, 2, 5).mean(dim=1))
    i, j = torch.triu_indices(24, 24, 1)
    scores, same = (means[i] * means[j]).sum(dim=1), i // 4 == j // 4
    expected = evaluate_pairs(scores, same, far=(0.1,), resamples=0).verification
    assert numbers["verification"]["eer"] == pytest.approx(expected.eer)
    assert numbers["verification"]["auc"] == pytest.approx(expected.auc)
    assert (numbers["intervals"]["resampled"], numbers["subjects"]) == ("subjects", 6)


def test_scores(tmp_path):
    path = tmp_path / "scores.csv"
    path.write_text("same,score\n" + "".join(f"{place % 2},{place % 2 + 0.03 * place}\n" for place in range(40)))
    assert cones(path, "--far", 0.1, "--resamples", 10, "--out", tmp_path / "out") == 0
    numbers, _ = written(tmp_path / "out")
    assert numbers["intervals"]["resampled"] == "pairs"
    assert (numbers["samples"], numbers["pairs"], numbers["subjects"]) == (None, 40, 0)


def test_an_earlier_evaluation_leaves_no_figures(faces, tmp_path):
    out, few = tmp_path / "out", tmp_path / "few.csv"
    assert cones(faces, "--far", 0.1, "--resamples", 5, "--out", out) == 0
    assert (out / "figures" / "roc.svg").exists()
    (out / "figures" / "mine.svg").write_text("a person's own")
    few.write_text("score,same\n0.9,1\n0.1,0\n")
    assert cones(few, "--far", 0.1, "--out", out) == 0
    assert [path.name for path in (out / "figures").iterdir()] == ["mine.svg"]
    report = (out / "report.html").read_text(encoding="utf-8")
    assert "few.csv" in report
    assert re.search(r"No curve is drawn: .*1 genuine", report)


def test_figures_are_not_written_through_a_link(faces, tmp_path, capsys):
    (tmp_path / "out").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out" / "figures").symlink_to(tmp_path / "elsewhere")
    assert cones(faces, "--out", tmp_path / "out") == 2
    assert "figures is a link, expected a folder in its place" in capsys.readouterr().err
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_run_and_its_pictures_in_a_folder(run, tmp_path):
    assert cones(run, "--far", 0.1, "--resamples", 10, "--out", tmp_path / "out") == 0
    numbers, _ = written(tmp_path / "out")
    assert numbers["subjects"] == 4
    assert "Hardest pairs" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    random = np.random.default_rng(1)
    for name in PEOPLE[:3]:
        (tmp_path / "faces" / name).mkdir(parents=True)
        for place in range(5):
            pixels = random.integers(0, 256, (20, 20), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "faces" / name / f"{place}.png")
    out = tmp_path / "folder"
    assert cones(tmp_path / "faces", "--model", run, "--far", 0.1, "--resamples", 10, "--out", out) == 0
    assert written(out)[0]["samples"] == 15
    assert "Hardest pairs" in (out / "report.html").read_text(encoding="utf-8")


def test_a_bin_file(run, tmp_path):
    random = np.random.default_rng(2)
    files = []
    for _ in range(48):
        file = io.BytesIO()
        Image.fromarray(random.integers(0, 256, (24, 24, 3), dtype=np.uint8)).save(file, "PNG")
        files.append(file.getvalue())
    path = tmp_path / "lfw.bin"
    path.write_bytes(pickle.dumps((files, [place % 2 == 0 for place in range(24)])))
    assert cones(path, "--model", run, "--far", 0.1, "--resamples", 10, "--out", tmp_path / "out") == 0
    numbers, lines = written(tmp_path / "out")
    assert len(numbers["folds"]["accuracies"]) == 10
    assert "accuracy, 10 folds" in lines
    path.write_bytes(b"cos\nsystem\n(S'echo broken'\ntR.")
    assert cones(path, "--model", run, "--out", tmp_path / "broken") == 2
    assert not (tmp_path / "broken").exists()


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["{npz}", "--far", "0"], "--far holds 0.0"),
        (["{npz}", "--confidence", "1.5"], "--confidence is 1.5"),
        (["lfw.bin"], "name the run that embeds them with --model"),
        (["nowhere"], "is not a run .no config.toml in it., embeddings"),
        (["{npz}", "--templates", "a.txt"], "--templates and --template-pairs belong together"),
        (["scores.csv", "--pairs", "b.csv"], "--pairs needs embeddings with names"),
        (["{npz}", "--pairs", "a", "--templates", "b", "--template-pairs", "c"], "are both given"),
    ],
)
def test_bad_usage_is_one_line(faces, arguments, text, capsys):
    assert cones(*(argument.format(npz=faces) for argument in arguments)) == 2
    said = capsys.readouterr().err
    assert len(said.strip().splitlines()) == 1
    assert re.search(text, said)


def test_embeddings_without_labels(tmp_path, capsys):
    np.savez(tmp_path / "x.npz", features=np.eye(3))
    assert cones(tmp_path / "x.npz", "--out", tmp_path / "out") == 2
    assert "x.npz has no labels; expected labels, or a list of pairs" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("", "is empty; expected a first line"),
        ("score,answer\n1,1\n", "line 1 .* is 'score,answer'"),
        ("score,same,subject_a\n1,1,a\n", "expected a first line"),
        ("score,same\n", "lists no pair"),
        ("score,same\n1\n", "line 2 .* has 1 columns, the header has 2"),
        ("score,same\nnan,1\n", "line 2 .* has score 'nan'; expected a finite number"),
        ("score,same\nx,1\n", "has score 'x'"),
        ("score,same\n1,maybe\n", "has same 'maybe'; expected 1 or 0"),
        ("score,same,subject_a,subject_b\n1,1,a,b\n", "pairs the subjects a and b with same 1"),
    ],
)
def test_broken_scores_are_refused(tmp_path, content, text):
    path = tmp_path / "scores.csv"
    path.write_text(content)
    with pytest.raises(DataError, match=text):
        read_scores_csv(path)


def test_scores_with_subjects(tmp_path):
    path = tmp_path / "scores.csv"
    path.write_text("score,same,subject_a,subject_b\n0.9,1,a,a\n0.1,0,a,b\n0.8,TRUE,b,b\n-1,false,b,a\n")
    given = read_scores_csv(path)
    assert given.names == ("a", "b")
    assert not_none(given.subjects).tolist() == [[0, 0], [0, 1], [1, 1], [1, 0]]
    assert evaluate_scores(path, EvaluationOptions(resamples=0)).evaluation.subjects == 2


def test_options_of_the_detection_cost_and_few_pairs(tmp_path, capsys):
    path = tmp_path / "scores.csv"
    path.write_text("score,same\n0.9,1\n0.8,0\n0.7,1\n0.1,0\n")
    given = ("--far", 0.5, "--p-target", 0.5, "--costs", 2, 1, "--min-pairs", 2, "--resamples", 0)
    assert cones(path, *given, "--out", tmp_path / "out") == 0
    numbers, lines = written(tmp_path / "out")
    scores, same = torch.tensor([0.9, 0.8, 0.7, 0.1]).double(), torch.tensor([True, False, True, False])
    expected = evaluate_pairs(
        scores, same, far=(0.5,), p_target=0.5, costs=(2, 1), min_pairs=2, resamples=0
    ).verification
    assert numbers["verification"]["min_dcf"] == expected.min_dcf
    assert numbers["pairs"] == 4
    assert lines["EER"]["unit"] == "share"
    assert {figure["name"]: figure["value"] for figure in numbers["figures"]}["EER"] == expected.eer
    assert "samples" not in (tmp_path / "out" / "report.html").read_text().split("<dl>")[1].split("</dl>")[0]
    capsys.readouterr()
    assert cones(path, "--min-pairs", 0, "--out", tmp_path / "no") == 2
    assert "--min-pairs is 0, expected at least 1" in capsys.readouterr().err


def test_labels_of_strangers_in_a_file(tmp_path):
    x = torch.randn(20, 4)
    labels = torch.arange(20) // 4
    labels[16:] = -1
    np.savez(tmp_path / "f.npz", features=x.numpy(), labels=labels.numpy())
    assert cones(tmp_path / "f.npz", "--far", 0.1, "--resamples", 0, "--out", tmp_path / "out") == 0
    numbers, _ = written(tmp_path / "out")
    assert (numbers["verification"]["genuine"], numbers["unknown"], numbers["subjects"]) == (4 * 6, 4, 4)
    given = read_embeddings(tmp_path / "f.npz")
    write_embeddings(tmp_path / "again.npz", given)
    assert torch.equal(not_none(read_embeddings(tmp_path / "again.npz").labels), labels)
