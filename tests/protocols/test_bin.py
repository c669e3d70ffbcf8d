import contextlib
import io
import os
import pickle
import struct
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from cones.data import DataError
from cones.protocols import _plain_pickle, decode_pictures, read_bin
from cones.protocols._plain_pickle import read_plain_pickle

IMAGES = [bytes([255, 216, 7 * k, 128]) * (k + 1) for k in range(4)]
SAME = [True, False]


def write(tmp_path: Path, content: bytes) -> Path:
    (tmp_path / "toy.bin").write_bytes(content)
    return tmp_path / "toy.bin"


def python2(images: list[bytes], same: list[bool]) -> bytes:
    """Pickle as cPickle of Python 2 writes it with protocol 2: its str is BINSTRING or SHORT_BINSTRING."""
    short = [b"U" + bytes([len(image)]) + image for image in images[:1]]
    strings = short + [b"T" + struct.pack("<i", len(image)) + image for image in images[1:]]
    body = b"".join(string + b"q" + bytes([k + 2]) for k, string in enumerate(strings))
    answers = b"".join(b"\x88" if answer else b"\x89" for answer in same)
    return b"\x80\x02]q\x01(" + body + b"e]r\x63\x00\x00\x00(" + answers + b"e\x86q\x64."


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("form", [tuple, list])
def test_every_protocol(tmp_path: Path, protocol: int, form: type) -> None:
    pairs = read_bin(write(tmp_path, pickle.dumps(form([IMAGES, SAME]), protocol)))
    assert list(pairs.images) == IMAGES
    assert pairs.same.tolist() == SAME
    assert pairs.same.dtype == torch.bool
    assert (pairs.first.tolist(), pairs.second.tolist(), len(pairs)) == ([0, 2], [1, 3], 2)


def test_python_2(tmp_path: Path) -> None:
    content = python2(IMAGES, SAME)
    assert pickle.loads(content, encoding="bytes") == (IMAGES, SAME)
    pairs = read_bin(write(tmp_path, content))
    assert list(pairs.images) == IMAGES
    assert pairs.same.tolist() == SAME


def test_many_images_and_answers_as_numbers(tmp_path: Path) -> None:
    """More than a thousand, so that the pickler appends in batches; one long image has a frame of its own."""
    images = [bytes([k % 251, k % 7]) * 40 for k in range(2500)] + [bytes(300_000)] * 2
    for protocol in (2, 4):
        pairs = read_bin(write(tmp_path, pickle.dumps((images, [1, 0] * 625 + [1]), protocol)))
        assert list(pairs.images) == images
        assert int(pairs.same.sum()) == 626


def test_the_images_become_a_tensor(tmp_path: Path) -> None:
    files = []
    for shade in (10, 200, 30, 90):
        file = io.BytesIO()
        Image.new("RGB", (6, 4), (shade, 0, 255)).save(file, "PNG")
        files.append(file.getvalue())
    pairs = read_bin(write(tmp_path, pickle.dumps((files, SAME))))
    tensor = decode_pictures("toy", pairs.images)
    assert tensor.shape == (4, 3, 4, 6)
    assert tensor[:, 0, 0, 0].tolist() == [10, 200, 30, 90]
    assert decode_pictures("toy", pairs.images, 8).shape == (4, 3, 8, 8)
    with pytest.raises(DataError, match=r"^image 1 of toy cannot be read: it is not an image or is damaged[^\n]*$"):
        decode_pictures("toy", [files[0], IMAGES[1]])
    with pytest.raises(DataError, match="image 0 of toy cannot be read: it is not an image"):
        decode_pictures("toy", [b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 6 6\n%%EndComments\n"])


class Call:
    """Pickles as a call of anything."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> tuple[Any, ...]:
        return self.call


class WithState:
    def __init__(self) -> None:
        self.x = 1


def spring(path: str) -> None:
    Path(path).touch()


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_nothing_is_executed(tmp_path: Path, protocol: int) -> None:
    mark = tmp_path / "sprung"
    traps = {
        r"imports \w+.system": Call(os.system, f"touch {mark}"),
        r"imports \w+.eval": Call(eval, f"open({str(mark)!r}, 'w')"),
        r"imports \w+.exec": Call(exec, "1"),
        r"imports \w+.getattr": Call(getattr, "", "encode"),
        r"imports .*Path.touch|imports \w+.getattr": Call(Path.touch, mark),
        r"imports .*test_bin.spring": Call(spring, str(mark)),
        r"imports .*WithState|imports copyreg._reconstructor|imports copy_reg": WithState(),
    }
    for message, trap in traps.items():
        for content in (trap, ([trap, *IMAGES[1:]], SAME), (IMAGES, [trap, True])):
            with pytest.raises(DataError, match=f"nothing in it was executed: at byte .* it {message}") as caught:
                read_bin(write(tmp_path, pickle.dumps(content, protocol)))
            assert "\n" not in str(caught.value)
    assert not mark.exists()


ENCODE = b"c_codecs\nencode\n"


def text(value: str) -> bytes:
    return b"X" + struct.pack("<I", len(value.encode())) + value.encode()


@pytest.mark.parametrize(
    ("program", "message"),
    [
        (b"cos\nsystem\n.", "at byte 2 it imports os.system, but lists of bytes and bools need no code"),
        (text("os") + text("system") + b"\x93.", "it imports os.system"),
        (text("os") + b"]\x93.", "it imports "),
        (b"c_codecs\ndecode\n.", "it imports _codecs.decode"),
        (b"c_codecs\nencode.x\n.", "it imports _codecs.encode.x"),
        (b"c__builtin__\nbytes\n)R.", "it imports __builtin__.bytes"),
        (b"cnumpy.core.multiarray\n_reconstruct\n.", r"holds NumPy arrays, .* dump \(\[bytes\(image\)"),
        (text("os\nx") + text("y\nz") + b"\x93.", r"it imports os\\nx.y\\nz"),
        (ENCODE + b")R.", r'calls _codecs.encode in another way than \(text, "latin1"\)'),
        (ENCODE + text("a") + text("hex") + b"\x86R.", "calls _codecs.encode in another way"),
        (ENCODE + b"]" + text("latin1") + b"\x86R.", "it encodes list; expected text"),
        (ENCODE + text("€") + text("latin1") + b"\x86R.", "encodes text that latin1 does not hold"),
        (b"])R.", "it calls list; expected no call"),
        (ENCODE + b"))\x81.", "it has the opcode NEWOBJ; expected lists of bytes and bools alone"),
        (b"]}b.", "it has the opcode EMPTY_DICT"),
        (b"(ios\nsystem\n.", "it has the opcode INST"),
        (b"(I1\no.", "it has the opcode INT"),
        (b"]b.", "it has the opcode BUILD"),
        (b"\x82\x01.", "it has the opcode EXT1"),
        (b"Pid\n.", "it has the opcode PERSID"),
        (b"]Q.", "it has the opcode BINPERSID"),
        (b"]2.", "it has the opcode DUP"),
        (b"N.", "it has the opcode NONE"),
        (b"S'\\q'\n.", "it has the opcode STRING"),
        (b".", "pops from an empty stack"),
        (b"(.", "pops from an empty stack"),
        (b"e.", "uses a mark that was never set"),
        (b"]e.", "uses a mark that was never set"),
        (b"](e", "is cut short or damaged after byte 4"),
        (b"q\x01.", "pops from an empty stack"),
        (b"h\x07.", "reads entry 7 of its memo, which was never stored"),
        (b"K\x01(e.", "appends to int; expected a list"),
        (b"].]", "it ends there, but 1 bytes follow"),
        (b"\xff.", r"is cut short or damaged after byte 0 \(.*unknown"),
        (b"B\xff\xff\xff\xffabc", "is cut short or damaged"),
        (b"\x8e" + b"\xff" * 7 + b"\x7fabc", "is cut short or damaged"),
        (b"\x8e" + b"\xff" * 8 + b"abc", "is cut short or damaged"),
        (b"T\xff\xff\xff\xffabc", "is cut short or damaged"),
        (text("é")[:-1] + b"\xff.", "is cut short or damaged"),
        (b"L" + b"9" * 5000 + b"L\n.", "is cut short or damaged"),
        (b"c\xff\n\xff\n.", "is cut short or damaged"),
    ],
)
def test_what_is_no_plain_list_is_refused(tmp_path: Path, program: bytes, message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        read_bin(write(tmp_path, b"\x80\x02" + program))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([IMAGES, SAME, []], "holds list.3.; expected .2N images as bytes, N answers."),
        (b"abc", "holds bytes.3.; expected"),
        ((b"abc", SAME), "holds bytes.3. and list.2.; expected"),
        ((IMAGES, True), "holds list.4. and bool; expected"),
        ((IMAGES[:3], SAME), "holds 3 images and 2 answers; expected"),
        (([], []), "holds 0 images and 0 answers; expected .*, N at least 1"),
        (([*IMAGES[:3], "text"], SAME), "image 3 of .* is str.4.; expected the bytes of an image file"),
        (([IMAGES[0], 3, *IMAGES[2:]], SAME), "image 1 of .* is int; expected the bytes"),
        ((IMAGES, [True, 2]), "answer 1 of .* is 2; expected True or False"),
        ((IMAGES, [b"", True]), "answer 0 of .* is bytes.0.; expected True or False"),
    ],
)
def test_what_is_no_set_of_pairs_is_said(tmp_path: Path, content: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_bin(write(tmp_path, pickle.dumps(content)))


def test_empty_bytes_are_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"image 3 of .* is bytes.0.; expected the bytes of an image file"):
        read_bin(write(tmp_path, pickle.dumps(([*IMAGES[:3], b""], SAME))))


def test_files_that_are_no_such_pickle(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"^there is no file .*nowhere$"):
        read_bin(tmp_path / "nowhere")
    for content, begin in ((b"", "nothing"), (b"PK", "504b"), (pickle.dumps(1, 0), "4931"), (b"\x80\x06.", "8006")):
        with pytest.raises(DataError, match=f"begins with {begin}; expected a pickle of protocol 2 to 5"):
            read_bin(write(tmp_path, content))


@pytest.mark.parametrize("protocol", [2, 4])
def test_numpy_arrays_are_refused_with_the_way_out(tmp_path: Path, protocol: int) -> None:
    arrays = [np.frombuffer(image, dtype=np.uint8) for image in IMAGES]
    answers = [np.bool_(answer) for answer in SAME]
    for content in ((arrays, SAME), (IMAGES, answers)):
        with pytest.raises(DataError, match=r"imports numpy[\w.]*, so it holds NumPy arrays, .* if you trust it"):
            read_bin(write(tmp_path, pickle.dumps(content, protocol)))
    saved = pickle.dumps(([bytes(image) for image in arrays], [bool(answer) for answer in answers]), protocol)
    assert list(read_bin(write(tmp_path, saved)).images) == IMAGES


@pytest.mark.parametrize("protocol", [2, 3, 4])
def test_a_file_cut_short_anywhere(tmp_path: Path, protocol: int) -> None:
    content = pickle.dumps((IMAGES, SAME), protocol)
    for end in range(len(content)):
        with pytest.raises(DataError, match=r"cut short or damaged|begins with"):
            read_bin(write(tmp_path, content[:end]))


def test_bombs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    laughs = b"]" + b"".join(b"q\x01](" + b"h\x01" * 10 + b"e" for _ in range(100)) + b"."
    with pytest.raises(DataError, match=r"holds list.10.; expected"):
        read_bin(write(tmp_path, b"\x80\x02" + laughs))  # ten to the hundredth lists, were they ever gone through
    again = b"h\x01h\x02h\x03\x86R"
    echo = ENCODE + b"q\x01" + text("x" * 10_000) + b"q\x02" + text("latin1") + b"q\x03" + again * 1000 + b"."
    with pytest.raises(DataError, match="encodes one text again and again, to more bytes than the file has"):
        read_bin(write(tmp_path, b"\x80\x02" + echo))
    deep = b"]" + b"\x85" * 200_000 + b"."
    with pytest.raises(DataError, match=r"holds tuple.1.; expected"):
        read_bin(write(tmp_path, b"\x80\x02" + deep))
    itself = b"]q\x01h\x01ah\x01\x86."
    with pytest.raises(DataError, match="holds 1 images and 1 answers; expected"):
        read_bin(write(tmp_path, b"\x80\x02" + itself))
    monkeypatch.setattr(_plain_pickle, "MOST_OPCODES", 1000)
    with pytest.raises(DataError, match="has more than 1000 opcodes; expected fewer"):
        read_bin(write(tmp_path, b"\x80\x02]" + b"\x94" * 1000 + b"."))


PLAIN = st.recursive(
    st.binary(min_size=1, max_size=300) | st.text(max_size=40) | st.booleans() | st.integers(-(2**31), 2**31 - 1),
    lambda inner: st.lists(inner, max_size=5) | st.tuples(inner, inner) | st.lists(inner, max_size=5).map(tuple),
    max_leaves=20,
)


@given(content=PLAIN, protocol=st.integers(2, 5))
def test_plain_content_is_read_as_pickle_itself_reads_it(content: Any, protocol: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = write(Path(folder), pickle.dumps(content, protocol))
        assert read_plain_pickle(path) == content


@given(data=st.data(), protocol=st.integers(2, 5))
def test_a_damaged_file_is_read_or_said_to_be_damaged(data: st.DataObject, protocol: int) -> None:
    content = bytearray(pickle.dumps((IMAGES, SAME), protocol))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(2, len(content) - 1))] = data.draw(st.integers(0, 255))
    with tempfile.TemporaryDirectory() as folder, contextlib.suppress(DataError):  # and no other error
        assert len(read_bin(write(Path(folder), bytes(content)))) == 2
