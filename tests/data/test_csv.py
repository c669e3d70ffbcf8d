from collections.abc import Callable
from pathlib import Path

import pytest

from cones.data import DataError, load

Draw = Callable[..., Path]


def write(folder: Path, text: str) -> str:
    (folder / "toy.csv").write_text(text, encoding="utf-8")
    return f"csv:{folder / 'toy.csv'}"


@pytest.fixture
def images(draw: Draw) -> None:
    for number in range(4):
        draw(f"images/{number}.png")


ROWS = "images/0.png,9\nimages/1.png,10\nimages/2.png,9\nimages/3.png,10\n"


@pytest.mark.usefixtures("images")
@pytest.mark.parametrize(
    "text",
    [ROWS, "path,label\n" + ROWS, "\ufeffPath, Label\r\n" + ROWS.replace("\n", "\r\n"), "\n" + ROWS + "\n\n"],
    ids=["plain", "header", "from a spreadsheet", "blank lines"],
)
def test_paths_are_relative_to_the_file(tmp_path: Path, text: str) -> None:
    splits = load(write(tmp_path, text), test_fraction=0.5)
    assert splits.kind == "sample"
    assert splits.train.classes == ("9", "10")
    assert len(splits.train) == len(splits.test) == 2


@pytest.mark.usefixtures("images")
def test_absolute_paths_and_columns_in_another_order(tmp_path: Path) -> None:
    lines = [f"x,{'ab'[k % 2]},{tmp_path}/images/{k}.png,{'test' if k > 1 else 'train'}" for k in range(4)]
    splits = load(write(tmp_path, "\n".join(["note,label,path,split", *lines])))
    assert splits.kind == "given"
    assert splits.train.labels.tolist() == splits.test.labels.tolist() == [0, 1]


@pytest.mark.usefixtures("images")
def test_a_third_column_is_the_given_split(tmp_path: Path) -> None:
    spec = write(tmp_path, "images/0.png,a,train\nimages/1.png,b,train\nimages/2.png,b,test\n")
    splits = load(spec)
    assert splits.kind == "given"
    assert splits.test.labels.tolist() == [1]


@pytest.mark.usefixtures("images")
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "lists no image; expected lines of path,label"),
        ("path,label\n", "lists no image"),
        ("images/0.png\n", "line 1 of .* has 1 columns; expected path,label or path,label,split"),
        ("images/0.png,a\nimages/1.png,b,c\n", "line 2 of .* has 3 columns, the first has 2"),
        ("images/0.png,a\nimages/1.png,\n", "line 2 of .* has an empty label"),
        ("images/0.png,a\n,b\n", "line 2 of .* has an empty path"),
        (
            "images/0.png,a,train\nimages/1.png,b,dev\n",
            "line 2 of .* has split 'dev'; expected train, test or val",
        ),
        ("images/0.png,a,train\nimages/1.png,b,train\n", "the test side of csv:.* is empty"),
        (
            "file,class\nimages/1.png,b\n",
            "line 1 of .*: there is no file .*file; expected a path relative",
        ),
        ("images/0.png,a\nimages/9.png,b\n", "line 2 of .*: there is no file .*9.png; expected a path relative"),
        ("images/0.png,a\nimages/1.png,a\n", "has one class, 'a'"),
    ],
)
def test_each_mistake_is_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        load(write(tmp_path, text))


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"^there is no file .*nowhere.csv$"):
        load(f"csv:{tmp_path}/nowhere.csv")
    (tmp_path / "toy.csv").write_bytes(b"\xff\xfe\x00a")
    with pytest.raises(DataError, match=r"toy.csv cannot be read as a csv file in UTF-8"):
        load(f"csv:{tmp_path}/toy.csv")


def test_a_picture_with_two_labels_is_refused(tmp_path):
    path = tmp_path / "set.csv"
    path.write_text("path,label\na.png,ann\nb.png,bob\n./a.png,bob\n")
    with pytest.raises(DataError, match=r"lines 2 and 4 of .*set.csv give ./a.png the labels 'ann' and 'bob'"):
        load(f"csv:{path}")
