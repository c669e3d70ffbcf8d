from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from cones.data import DataError
from cones.protocols import Pairs, read_lfw_pairs, read_pairs, read_pairs_csv, read_trials

LFW = "2\t1\nAnn\t1\t2\nAnn\t1\tBob\t10\nBob\t1\t10\nBob\t1\tAnn\t2\n"
CSV = "a,b,same,fold\nAnn/Ann_0001.jpg,Ann/Ann_0002.jpg,1,0\nAnn/Ann_0001.jpg,Bob/Bob_0010.jpg,0,1\n"
TRIALS = "1 id1/x/1.wav id1/y/2.wav\n0 id1/x/1.wav id2/z/1.wav\n"
KALDI = "id1/x/1.wav id1/y/2.wav target\nid1/x/1.wav\tid2/z/1.wav\tnontarget\n"
FILES = (
    "Ann/Ann_0001.jpg", "Ann/Ann_0002.jpg", "Bob/Bob_0001.jpg", "Bob/Bob_0010.jpg",
    "id1/x/1.wav", "id1/y/2.wav", "id2/z/1.wav",
)  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in FILES:
        (tmp_path / "files" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "files" / name).write_bytes(b"")
    return tmp_path / "files"


def write(tmp_path: Path, text: str | bytes) -> Path:
    path = tmp_path / "list"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def listed(pairs: Pairs) -> list[tuple[str, str, bool]]:
    ends = zip(pairs.first.tolist(), pairs.second.tolist(), pairs.same.tolist(), strict=True)
    return [(pairs.names[first], pairs.names[second], same) for first, second, same in ends]


@pytest.mark.parametrize(
    "text", [LFW, LFW.replace("\t", " "), "\ufeff" + LFW.replace("\n", "\r\n"), LFW + "\n\n"],
    ids=["tabs", "spaces", "windows", "blank lines"],
)  # fmt: skip
def test_lfw(tmp_path: Path, folder: Path, text: str) -> None:
    pairs = read_lfw_pairs(write(tmp_path, text), folder)
    assert listed(pairs) == [
        ("Ann/Ann_0001.jpg", "Ann/Ann_0002.jpg", True),
        ("Ann/Ann_0001.jpg", "Bob/Bob_0010.jpg", False),
        ("Bob/Bob_0001.jpg", "Bob/Bob_0010.jpg", True),
        ("Bob/Bob_0001.jpg", "Ann/Ann_0002.jpg", False),
    ]
    assert pairs.fold is not None
    assert pairs.fold.tolist() == [0, 0, 1, 1]
    assert pairs.paths[0] == folder / "Ann/Ann_0001.jpg"
    assert repr(pairs) == "Pairs(4 pairs of 4 files, 2 genuine, 2 folds)"


def test_lfw_with_one_number_has_no_folds(tmp_path: Path) -> None:
    pairs = read_lfw_pairs(write(tmp_path, LFW.replace("2\t1\n", "2\n")), suffix=".png")
    assert pairs.fold is None
    assert pairs.same.tolist() == [True, False, True, False]
    assert pairs.names[0] == "Ann/Ann_0001.png"
    with pytest.raises(ValueError, match=r"folder is None: .* pass folder=PATH to the reader"):
        pairs.paths  # noqa: B018


def test_lfw_takes_the_suffix_that_the_folder_has(tmp_path: Path, folder: Path) -> None:
    for name in FILES[:4]:
        (folder / name).rename((folder / name).with_suffix(".png"))
    pairs = read_lfw_pairs(write(tmp_path, LFW), folder)
    assert pairs.names[:2] == ("Ann/Ann_0001.png", "Ann/Ann_0002.png")
    with pytest.raises(DataError, match=r"line 2 of .*: there is no file .*Ann_0001.jpg"):
        read_lfw_pairs(write(tmp_path, LFW), folder, suffix=".jpg")


def test_lfw_names_with_spaces_stand_between_tabs(tmp_path: Path) -> None:
    pairs = read_lfw_pairs(write(tmp_path, "1\nAnn Lee\t1\t2\nAnn Lee\t1\tBob\t1\n"))
    assert pairs.names[0] == "Ann Lee/Ann Lee_0001.jpg"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty; expected a first line of folds and pairs"),
        ("\n \n", "is empty"),
        (b"1\nJos\xe9 1 2\n", "cannot be read as text in UTF-8"),
        ("Ann\t1\t2\n", "line 1 of .* is .*; expected a first line of folds and pairs"),
        ("10 300 7\n", "line 1 of .* is '10 300 7'"),
        ("0 300\n", "line 1 of .* is '0 300'"),
        ("2\t1\nAnn\t1\t2\n", r"announces 2 x \(genuine 1 \+ impostor 1\) pairs in line 1, but has 1"),
        ("1\nAnn 1 2\nAnn 1\n", "line 3 of .* has 2 columns; expected name n1 n2 or name1 n1 name2 n2"),
        ("1\nAnn 1 2\nAnn 1 Bob 1 5\n", "line 3 of .* has 5 columns"),
        ("1\nAnn 1 x\nAnn 1 Bob 1\n", "line 2 of .* has 'x' for an image of Ann; expected 1, 2"),
        ("1\nAnn 0 1\nAnn 1 Bob 1\n", "line 2 of .* has '0' for an image of Ann"),
        ("1\nAnn 1 2\nAnn 1 Ann 2\n", "line 3 of .* has four columns, an impostor pair, but Ann twice"),
        ("1 1\nAnn 1 2\nBob 1 10\n", "lines 2 to 3 of .* hold 2 genuine and 0 impostor pairs; expected 1 of each"),
        ("1\nAnn 1 3\nAnn 1 Bob 1\n", "line 2 of .*: there is no file .*Ann_0003.jpg"),
        ("1\n../x 1 2\nAnn 1 Bob 1\n", r"line 2 of .* names '../x/../x_0001.jpg', which leads out of the folder"),
        ("2\nAnn 1 2\nAnn 2 1\nAnn 1 Bob 1\nAnn 2 Bob 1\n", "lines 2 and 3 of .* hold the same pair.*repeats=True"),
    ],
)
def test_what_is_wrong_in_an_lfw_list_is_said(tmp_path: Path, folder: Path, text: str | bytes, message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        read_lfw_pairs(write(tmp_path, text), folder)
    assert "\n" not in str(caught.value)


def test_csv(tmp_path: Path, folder: Path) -> None:
    pairs = read_pairs_csv(write(tmp_path, CSV), folder)
    assert listed(pairs) == [
        ("Ann/Ann_0001.jpg", "Ann/Ann_0002.jpg", True),
        ("Ann/Ann_0001.jpg", "Bob/Bob_0010.jpg", False),
    ]
    assert pairs.fold is not None
    assert pairs.fold.tolist() == [0, 1]
    assert pairs.fold.dtype == torch.int64


def test_csv_columns_in_any_order_and_one_form_of_a_name(tmp_path: Path) -> None:
    pairs = read_pairs_csv(write(tmp_path, "\ufeffSame,note, B ,A\nTRUE,x,./u//1.jpg,v.jpg\nfalse,y,w.jpg,u/1.jpg\n"))
    assert listed(pairs) == [("v.jpg", "u/1.jpg", True), ("u/1.jpg", "w.jpg", False)]
    assert pairs.fold is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty; expected a first line a,b,same"),
        ("a,b,same\n", "lists no pair"),
        ("x.jpg,y.jpg,1\n", "line 1 of .* is 'x.jpg,y.jpg,1'; expected a first line a,b,same"),
        ("a,b,same,a\n", "line 1 of .* has two columns 'a'"),
        (b"a,b,same\n\xff,y,1\n", "cannot be read as a csv file in UTF-8"),
        ("a,b,same\nx,y\n", "line 2 of .* has 2 columns, the header has 3"),
        ("a,b,same\n\nx,y,yes\n", "line 3 of .* has same 'yes'; expected 1 or 0, true or false"),
        ("a,b,same,fold\nx,y,1,-1\n", "line 2 of .* has fold '-1'; expected a whole number from 0"),
        ("a,b,same,fold\nx,y,1,\n", "line 2 of .* has fold ''"),
        ("a,b,same\n,y,1\n", "line 2 of .* has an empty name"),
        ("a,b,same\n/etc/passwd,y,1\n", "line 2 of .* names '/etc/passwd', which leads out of the folder"),
        ("a,b,same\nx/../../y,y,1\n", "leads out of the folder"),
        ("a,b,same\nx\\..\\y,y,1\n", "leads out of the folder"),
        ("a,b,same\nC:\\y,y,1\n", "leads out of the folder"),
        ("a,b,same\nx,y,1\ny,x,0\n", "lines 2 and 3 of .* pair y and x, one as genuine and one as impostor"),
        ("a,b,same\nx,y,1\nx,./y,1\n", "lines 2 and 3 of .* hold the same pair"),
    ],
)
def test_what_is_wrong_in_a_csv_is_said(tmp_path: Path, text: str | bytes, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_pairs_csv(write(tmp_path, text))


def test_an_unknown_image_and_a_folder_that_is_none(tmp_path: Path, folder: Path) -> None:
    path = write(tmp_path, "a,b,same\nAnn/Ann_0001.jpg,Ann/Ann_0009.jpg,1\n")
    with pytest.raises(DataError, match=r"line 2 of .*: there is no file .*Ann_0009.jpg; is the folder right"):
        read_pairs_csv(path, folder)
    with pytest.raises(DataError, match="elsewhere is not a folder; expected the one that holds the files"):
        read_pairs_csv(path, tmp_path / "elsewhere")


@pytest.mark.parametrize("text", [TRIALS, KALDI], ids=["VoxCeleb", "Kaldi"])
def test_trials(tmp_path: Path, folder: Path, text: str) -> None:
    pairs = read_trials(write(tmp_path, text), folder)
    assert listed(pairs) == [("id1/x/1.wav", "id1/y/2.wav", True), ("id1/x/1.wav", "id2/z/1.wav", False)]
    assert pairs.names == ("id1/x/1.wav", "id1/y/2.wav", "id2/z/1.wav")
    assert pairs.fold is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty; expected 1 or 0, then two files"),
        ("1 x.wav\n", "line 1 of .* has 2 columns; expected 1 or 0, then two files"),
        ("1 x.wav y.wav\n2 x.wav z.wav\n", "line 2 of .* is '2 x.wav z.wav'; expected 1 or 0"),
        ("1 x y\nx y target\n", "line 1 of .* is '1 x y'; expected 1 or 0, .* in all lines"),
        ("1 7 0\n0 8 1\n", "has 1 or 0 in its first column and in its last.*; write target and nontarget"),
        ("x.wav y.wav imp\n", "line 1 of .* is 'x.wav y.wav imp'; expected .* or two files, then target or nontarget"),
        ("1 ../x.wav y.wav\n", "leads out of the folder"),
        ("1 x y\n1 x y\n", "lines 1 and 2 of .* hold the same pair"),
        (b"1 x \xe9\n", "cannot be read as text in UTF-8"),
    ],
)
def test_what_is_wrong_in_a_trial_list_is_said(tmp_path: Path, text: str | bytes, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_trials(write(tmp_path, text))


def test_answers_behind_the_files(tmp_path: Path) -> None:
    text = "Ann/1.jpg Ann/2.jpg 1\nAnn/1.jpg Bob/1.jpg 0\n"
    assert listed(read_trials(write(tmp_path, text))) == [
        ("Ann/1.jpg", "Ann/2.jpg", True),
        ("Ann/1.jpg", "Bob/1.jpg", False),
    ]


def test_names_that_are_numbers_are_no_answers(tmp_path: Path) -> None:
    pairs = read_trials(write(tmp_path, "1 7 nontarget\n1 2 target\n"))
    assert listed(pairs) == [("1", "7", False), ("1", "2", True)]
    assert listed(read_trials(write(tmp_path, "0 1 7\n1 1 2\n"))) == [("1", "7", False), ("1", "2", True)]


@pytest.mark.parametrize("read", [read_lfw_pairs, read_pairs_csv, read_trials])
def test_a_list_that_is_missing(tmp_path: Path, read: Callable[[Path], Pairs]) -> None:
    with pytest.raises(DataError, match=r"^there is no file .*nowhere$"):
        read(tmp_path / "nowhere")


def test_repeats_are_kept_where_asked_for(tmp_path: Path) -> None:
    pairs = read_trials(write(tmp_path, "1 x y\n1 y x\n0 x z\n"), repeats=True)
    assert listed(pairs) == [("x", "y", True), ("y", "x", True), ("x", "z", False)]


def test_a_file_with_itself_is_refused(tmp_path):
    path = tmp_path / "pairs.csv"
    path.write_text("a,b,same\nann/1.jpg,ann/2.jpg,1\nann/1.jpg,ann/./1.jpg,0\n")
    with pytest.raises(DataError, match=r"line 3 of .*pairs.csv pairs ann/1.jpg with itself"):
        read_pairs_csv(path)


def test_files_of_a_kaldi_list_may_be_called_1_and_0(tmp_path):
    path = tmp_path / "trials"
    path.write_text("1 7 nontarget\n1 2 target\n0 7 nontarget\n")
    pairs = read_trials(path)
    assert pairs.names == ("1", "7", "2", "0")
    assert pairs.same.tolist() == [False, True, False]
    path.write_text("1 7 nontarget\n1 2 target\n0 7 8\n")
    with pytest.raises(DataError, match=r"line 3 of .*trials is '0 7 8'; expected"):
        read_trials(path)


@pytest.mark.parametrize("text", [LFW, CSV, TRIALS, KALDI])
def test_a_list_is_read_in_the_form_that_it_has(tmp_path: Path, folder: Path, text: str) -> None:
    path = write(tmp_path, text)
    if text == CSV:
        path = path.rename(path.with_suffix(".csv"))
    pairs = read_pairs(path, folder)
    assert len(pairs) == (4 if text == LFW else 2)
    assert pairs.folder == folder
    assert listed(pairs)[0][2]
    with pytest.raises(DataError):
        read_pairs(path, form="csv" if text != CSV else "trials")
