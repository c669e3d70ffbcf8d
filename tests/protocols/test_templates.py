from pathlib import Path

import numpy as np
import pytest
import torch

from cones.data import DataError
from cones.protocols import read_templates

MEMBERS = "1.jpg 12 4\n2.jpg 5 9\n3.jpg 12 4\n./1.jpg 8 1\n"
PAIRS = "12 5 0\n8 12 1\n"


def write(tmp_path: Path, members: str | bytes, pairs: str | bytes = PAIRS) -> tuple[Path, Path]:
    paths = tmp_path / "tid_mid.txt", tmp_path / "pair_label.txt"
    for path, text in zip(paths, (members, pairs), strict=True):
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return paths


@pytest.mark.parametrize("turn", [lambda text: text, lambda text: text.replace(" ", "\t").replace("\n", "\r\n")])
def test_templates_are_lists_of_images(tmp_path: Path, turn) -> None:
    templates = read_templates(*write(tmp_path, turn(MEMBERS), turn(PAIRS)))
    assert templates.ids.tolist() == [5, 8, 12]
    assert templates.names == ("1.jpg", "2.jpg", "3.jpg")
    assert [templates.images(position) for position in range(3)] == [("2.jpg",), ("1.jpg",), ("1.jpg", "3.jpg")]
    assert templates.media.tolist() == [4, 9, 4, 1]
    assert templates.ids[templates.first].tolist() == [12, 8]
    assert templates.ids[templates.second].tolist() == [5, 12]
    assert templates.same.tolist() == [False, True]
    with pytest.raises(IndexError, match="position is 3, but there are 3 templates"):
        templates.images(3)


def test_members_and_templates_make_means(tmp_path: Path) -> None:
    """The arrays give the mean of each template's images in one call."""
    templates = read_templates(write(tmp_path, MEMBERS)[0])
    assert len(templates.same) == 0
    features = torch.tensor([[1.0, 0.0], [0.0, 1.0], [3.0, 2.0]])
    sums = torch.zeros(len(templates), 2).index_add(0, templates.template, features[templates.image])
    counts = templates.template.bincount()[:, None]
    assert (sums / counts).tolist() == [[0.0, 1.0], [1.0, 0.0], [2.0, 1.0]]


def test_many_pairs(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    members = "".join(f"{image}.jpg {image} {image}\n" for image in range(200))
    ends = np.array([(a, b) for a in range(200) for b in range(a)])
    labels = generator.integers(0, 2, len(ends))
    pairs = "".join(f"{a} {b} {label}\n" for (a, b), label in zip(ends, labels, strict=True))
    templates = read_templates(*write(tmp_path, members, pairs))
    assert np.array_equal(torch.stack([templates.first, templates.second], 1).numpy(), ends)
    assert np.array_equal(templates.same.numpy(), labels == 1)


def test_images_are_looked_for_where_a_folder_is_given(tmp_path: Path) -> None:
    for name in ("1.jpg", "2.jpg"):
        (tmp_path / name).touch()
    with pytest.raises(DataError, match=r"line 3 of .*: there is no file .*3.jpg"):
        read_templates(*write(tmp_path, MEMBERS), tmp_path)
    (tmp_path / "3.jpg").touch()
    assert read_templates(*write(tmp_path, MEMBERS), tmp_path).folder == tmp_path
    with pytest.raises(DataError, match="nowhere is not a folder; expected the one that holds the images"):
        read_templates(*write(tmp_path, MEMBERS), tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ("", "is empty; expected lines of image template media"),
        ("1.jpg 1 1\n2.jpg 1\n", "line 2 of .* has 2 columns; expected 3: image template media"),
        ("1.jpg x 1\n", "line 1 of .* has 'x 1'; expected whole numbers for template and media"),
        ("1.jpg 1.5 1\n", "line 1 of .* has '1.5 1'"),
        ("1.jpg 1 1\n\n1.jpg 1 2\n", "lines 1 and 3 of .* put 1.jpg twice into template 1"),
        ("../1.jpg 1 1\n", "line 1 of .* names '../1.jpg', which leads out of the folder"),
        ("/1.jpg 1 1\n", "leads out of the folder"),
        (b"\xff.jpg 1 1\n", "cannot be read as text in UTF-8"),
    ],
)
def test_what_is_wrong_in_the_members_is_said(tmp_path: Path, members: str | bytes, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_templates(*write(tmp_path, members))


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        ("", "pair_label.txt is empty; expected lines of template template label"),
        ("12 5 0\n\n12 8\n", "line 3 of .* has 2 columns; expected 3: template template label"),
        ("12 5\n12 8\n", "line 1 of .* has 2 columns; expected 3"),
        ("12 5 no\n", "line 1 of .* has 'no'; expected whole numbers template template label"),
        ("12 5 1.0\n", "line 1 of .* has '1.0'; expected whole numbers"),
        ("12 5 99999999999999999999\n", "line 1 of .* has '99999999999999999999'; expected whole numbers"),
        ("12 5 0\n\n12 6 0\n", "line 3 of .* names template 6, which is not in .*tid_mid.txt"),
        ("12 5 2\n", "line 1 of .* has label 2; expected 1 or 0"),
        ("12 5 0\n8 5 0\n5 12 0\n", "lines 1 and 3 of .* hold the same pair, the templates 12 and 5; .*repeats=True"),
        ("12 5 0\n8 5 0\n5 12 1\n", "lines 1 and 3 of .* pair the templates 12 and 5, one as genuine and one as"),
        (b"12 5 \xff\n", "cannot be read as text in UTF-8"),
    ],
)
def test_what_is_wrong_in_the_pairs_is_said(tmp_path: Path, pairs: str | bytes, message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        read_templates(*write(tmp_path, MEMBERS, pairs))
    assert "\n" not in str(caught.value)


def test_repeats_are_kept_where_asked_for_but_not_contradictions(tmp_path: Path) -> None:
    assert read_templates(*write(tmp_path, MEMBERS, "12 5 0\n5 12 0\n"), repeats=True).first.tolist() == [2, 0]
    with pytest.raises(DataError, match="one as genuine and one as impostor"):
        read_templates(*write(tmp_path, MEMBERS, "12 5 0\n5 12 1\n"), repeats=True)


def test_files_that_are_missing(tmp_path: Path) -> None:
    members, _ = write(tmp_path, MEMBERS)
    with pytest.raises(DataError, match=r"^there is no file .*nowhere$"):
        read_templates(tmp_path / "nowhere")
    with pytest.raises(DataError, match=r"^there is no file .*nowhere$"):
        read_templates(members, tmp_path / "nowhere")
