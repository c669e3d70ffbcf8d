import contextlib
import io
import pickle
import struct
import tempfile
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from torch.utils.data import DataLoader

from cones.data import DataError
from cones.protocols import decode_pictures, iterate_faces, read_face_records
from cones.protocols._recordio import open_records

MAGIC = b"\x0a\x23\xd7\xce"  # 0xced7230a, the lowest byte first
Labels = float | Sequence[float]


def packed(labels: Labels, number: int, image: bytes) -> bytes:
    """A record as MXNet packs it: one label stands in the head, an array of them behind it."""
    if isinstance(labels, float | int):
        return struct.pack("<IfQQ", 0, labels, number, 0) + image
    return struct.pack("<IfQQ", len(labels), 0.0, number, 0) + struct.pack(f"<{len(labels)}f", *labels) + image


def framed(record: bytes) -> bytes:
    """A record behind its magic word and length, cut wherever the magic word stands in it at a multiple of 4."""
    parts, begin = [], 0
    for place in range(0, len(record) // 4 * 4, 4):
        if record[place : place + 4] == MAGIC:
            parts.append(record[begin:place])
            begin = place + 4
    parts.append(record[begin:])
    flags = [0] if len(parts) == 1 else [1] + [2] * (len(parts) - 2) + [3]
    return b"".join(
        MAGIC + struct.pack("<I", flag << 29 | len(part)) + part + bytes(-len(part) % 4)
        for flag, part in zip(flags, parts, strict=True)
    )


def write(folder: Path, records: Sequence[bytes], keys: Sequence[int] | None = None) -> Path:
    frames = [framed(record) for record in records]
    (folder / "train.rec").write_bytes(b"".join(frames))
    offsets = [sum(map(len, frames[:number])) for number in range(len(frames))]
    lines = [f"{key}\t{offset}\n" for key, offset in zip(keys or range(len(frames)), offsets, strict=True)]
    (folder / "train.idx").write_text("".join(lines))
    return folder / "train.rec"


IMAGES = [b"jpeg a", b"jpeg bb", MAGIC + b"jpeg" + MAGIC + MAGIC + b"ccc", b"jpeg dddd", bytes(28) + MAGIC]
CLASSES = [0, 0, 1, 1, 1]
HEADER = packed([6, 8], 0, b"")
FACES = [packed(float(label), k + 1, image) for k, (label, image) in enumerate(zip(CLASSES, IMAGES, strict=True))]
IDENTITIES = [packed([1, 3], 6, b""), packed([3, 6], 7, b"")]
SET = [HEADER, *FACES, *IDENTITIES]


def edited(path: Path, place: int, content: bytes) -> None:
    data = bytearray(path.read_bytes())
    data[place : place + len(content)] = content
    path.write_bytes(data)


def test_a_set_of_insightface(tmp_path: Path) -> None:
    faces = read_face_records(write(tmp_path, SET))
    assert len(faces) == 5
    assert [face.image for face in faces] == IMAGES
    assert [face.label for face in faces] == CLASSES
    assert faces[2] == (IMAGES[2], 1)
    assert faces.keys.tolist() == [1, 2, 3, 4, 5]
    assert faces.identity_ranges().tolist() == [[1, 3], [3, 6]]
    assert [(face.image, face.label) for face in iterate_faces(tmp_path / "train.rec")] == list(faces)
    assert repr(faces).endswith("train.rec', 5 images, 2 identities)")
    for position in (5, -1):
        with pytest.raises(IndexError, match=f"position is {position}, but .* has 5 images"):
            faces[position]


def test_without_a_header_all_are_images(tmp_path: Path) -> None:
    """Keys with gaps and out of order, as a shuffled list gives; an array of labels, of which the first counts."""
    path = write(tmp_path, [*FACES[:2], packed([7.0, 0.5], 2, b"jpeg")], keys=[40, 10, 25])
    (tmp_path / "train.idx").rename(tmp_path / "other")
    faces = read_face_records(str(path), tmp_path / "other")
    assert faces.keys.tolist() == [10, 25, 40]
    assert list(faces) == [(IMAGES[1], 0), (b"jpeg", 7), (IMAGES[0], 0)]
    assert list(iterate_faces(path)) == [(IMAGES[0], 0), (IMAGES[1], 0), (b"jpeg", 7)]
    assert faces.identity_ranges().shape == (0, 2)


def test_a_header_without_identities(tmp_path: Path) -> None:
    faces = read_face_records(write(tmp_path, [packed([6, 6], 0, b""), *FACES]))
    assert [face.label for face in faces] == CLASSES
    assert len(faces.identity_ranges()) == 0


def test_it_is_a_map_style_data_set_that_workers_can_be_sent(tmp_path: Path) -> None:
    records = [packed([9, 9], 0, b"")]
    for shade in range(8):
        file = io.BytesIO()
        Image.new("L", (5, 5), shade * 30).save(file, "PNG")
        records.append(packed(float(shade % 3), shade + 1, file.getvalue()))
    faces = pickle.loads(pickle.dumps(read_face_records(write(tmp_path, records))))  # as it goes to a worker
    batches = list(DataLoader(faces, batch_size=4, collate_fn=list))
    images = decode_pictures("toy", [face.image for batch in batches for face in batch])
    assert images[:, 0, 0, 0].tolist() == [shade * 30 for shade in range(8)]
    assert [face.label for batch in batches for face in batch] == [0, 1, 2, 0, 1, 2, 0, 1]


@given(records=st.lists(st.lists(st.sampled_from([MAGIC, b"x", b"four", MAGIC[:2]])).map(b"".join), min_size=1))
def test_every_record_comes_back_as_it_was(records: list[bytes]) -> None:
    with tempfile.TemporaryDirectory() as folder, open_records(write(Path(folder), records)) as found:
        assert list(found) == records


@given(data=st.data())
def test_a_damaged_file_is_read_or_said_to_be_damaged(data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = write(Path(folder), SET)
        for damaged in data.draw(st.sampled_from([(path,), (path.with_suffix(".idx"),)])):
            for _ in range(data.draw(st.integers(1, 3))):
                place = data.draw(st.integers(0, damaged.stat().st_size - 1))
                edited(damaged, place, bytes([data.draw(st.integers(0, 255))]))
        with contextlib.suppress(DataError):  # and no other error
            faces = read_face_records(path)
            faces.identity_ranges()
            list(faces)
        with contextlib.suppress(DataError):
            list(iterate_faces(path))


def test_a_file_cut_short_anywhere(tmp_path: Path) -> None:
    path = write(tmp_path, SET)
    content = path.read_bytes()
    for end in range(len(content)):
        path.write_bytes(content[:end])
        with pytest.raises(DataError, match=r"has the offset|is cut short|lists records from byte|is empty"):
            read_face_records(path)
    for end in (*range(1, 8), *range(9, 40)):
        path.write_bytes(content[:end])
        with pytest.raises(
            DataError, match=rf"is cut short: (it ends at byte {end}, in the head|the record at byte 0)"
        ):
            list(iterate_faces(path))


def test_a_bad_magic_is_said_with_its_place(tmp_path: Path) -> None:
    path = write(tmp_path, SET)
    second = len(framed(HEADER))
    edited(path, second, b"\xff")
    faces = read_face_records(path)
    assert faces[1].label == 0
    message = f"train.rec has ff23d7ce at byte {second}; expected 0a23d7ce, with which each record begins; is it"
    with pytest.raises(DataError, match=message):
        faces[0]
    with pytest.raises(DataError, match=message):
        list(faces)
    with pytest.raises(DataError, match=message):
        list(iterate_faces(path))


@pytest.mark.parametrize(
    ("flag", "message"),
    [
        (1, "flag 0 in .*expected 2 or 3"),
        (2, "flag 2 in .*expected 0 or 1"),
        (3, "flag 3 in .*expected 0 or 1"),
        (7, "flag 7 in .*expected 0 or 1"),
    ],
)
def test_parts_in_a_wrong_order(tmp_path: Path, flag: int, message: str) -> None:
    path = write(tmp_path, FACES)
    edited(path, 4, struct.pack("<I", flag << 29 | len(FACES[0])))
    with pytest.raises(DataError, match=f"has a part with {message}; fetch the file again"):
        read_face_records(path)


@pytest.mark.parametrize(
    ("records", "message"),
    [
        ([HEADER[:20]], r"the record at byte 0 of .* has 20 bytes; expected 24 of header or more"),
        ([struct.pack("<IfQQ", 2**32 - 1, 0, 0, 0)], "announces 4294967295 labels, 17179869180 bytes, but has 0"),
        ([packed([6, 8], 0, b"")[:28]], "announces 2 labels, 8 bytes, but has 4"),
        ([packed(6.0, 0, b"")], r"the header, record 0 of .* has 1 labels \(6\) and 0 bytes of an image; expected two"),
        ([packed([6, 8.5], 0, b""), *SET[1:]], r"the header, .* has 2 labels \(6, 8.5\)"),
        ([packed([6, float("nan")], 0, b""), *SET[1:]], r"the header, .* has 2 labels \(6, nan\)"),
        ([packed([8, 6], 0, b""), *SET[1:]], "the header, .* has the labels 8 and 6; expected 1 <= first <= second"),
        (
            [packed([6, 9], 0, b""), *SET[1:]],
            r"announces images 1..5 and identities 6..8, but .* lists 8 keys from 0 to",
        ),
        ([packed([5, 8], 0, b""), *SET[1:]], "announces images 1..4 and then identities, but record 5 is one of an"),
        ([packed([7, 8], 0, b""), *SET[1:]], "announces images 1..6 and then identities, but record 6 is none of an"),
    ],
)
def test_a_header_that_is_wrong(tmp_path: Path, records: list[bytes], message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_face_records(write(tmp_path, records))


@pytest.mark.parametrize(
    ("label", "text"), [(1.5, "1.5"), (-1.0, "-1"), (float("nan"), "nan"), (float("inf"), "inf"), (2.0**25, "3.35544e")]
)
def test_a_label_that_is_no_class(tmp_path: Path, label: float, text: str) -> None:
    path = write(tmp_path, [HEADER, packed(label, 1, b"jpeg"), *SET[2:]])
    with pytest.raises(
        DataError, match=rf"record 1 of .* has the label {text}.*; expected a whole number from 0 to 2\^24"
    ):
        read_face_records(path)[0]
    with pytest.raises(DataError, match=rf"record 1 \(counted from 0\) of .* has the label {text}"):
        list(iterate_faces(path))


def test_a_record_without_an_image(tmp_path: Path) -> None:
    path = write(tmp_path, [*SET[:2], packed(0.0, 2, b""), *SET[3:]])
    with pytest.raises(DataError, match=r"record 2 of .* has no image; expected the bytes of an image file"):
        read_face_records(path)[1]


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([1, 7], "the identity at byte .* has the images 1 up to 7; expected keys from 1 up to 6"),
        ([3, 1], "has the images 3 up to 1"),
        ([1, 2, 3], r"the identity at byte .* has 3 labels \(1, 2, 3\)"),
    ],
)
def test_an_identity_that_is_wrong(tmp_path: Path, labels: list[float], message: str) -> None:
    faces = read_face_records(write(tmp_path, [*SET[:6], packed(labels, 6, b""), SET[7]]))
    with pytest.raises(DataError, match=message):
        faces.identity_ranges()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "train.idx is empty; expected lines of key offset"),
        ("0\n", "line 1 of .*train.idx has 1 columns; expected 2: key offset"),
        ("0\t0\n\none\t40\n", "line 3 of .*train.idx has 'one'; expected whole numbers key offset"),
        ("0\t0\n0\t40\n", "lines 1 and 2 of .*train.idx have the same key, 0"),
        ("0\t0\n1\t0\n", "lines 1 and 2 of .*train.idx have the same offset, 0"),
        ("0\t0\n1\t4000\n", "line 2 of .*train.idx has the offset 4000, but .*train.rec has .* bytes; expected"),
        ("0\t0\n1\t-4\n", "line 2 of .*train.idx has the offset -4"),
        ("0\t0\n1\t41\n", "line 2 of .*train.idx has the offset 41, .* expected a multiple of 4 below"),
        ("0\t0\n1\t44\n", "train.rec has .* at byte 44; expected 0a23d7ce"),
        ("0\t0\n1\t40\n", "train.idx lists records from byte 0 to 80, but .*train.rec has .* do they belong together"),
    ],
)
def test_an_index_that_does_not_fit(tmp_path: Path, text: str, message: str) -> None:
    path = write(tmp_path, SET)
    (tmp_path / "train.idx").write_text(text)
    with pytest.raises(DataError, match=message) as caught:
        read_face_records(path)
    assert "\n" not in str(caught.value)


def test_an_index_that_lacks_a_record(tmp_path: Path) -> None:
    path = write(tmp_path, SET)
    lines = (tmp_path / "train.idx").read_text().splitlines(keepends=True)
    (tmp_path / "train.idx").write_text("".join(lines[:2] + lines[3:]))
    with pytest.raises(DataError, match=r"announces images 1..5 and identities 6..7, but .* lists 7 keys from 0 to 7"):
        read_face_records(path)
    (tmp_path / "train.idx").write_text("".join(lines[1:]))
    with pytest.raises(DataError, match=r"train.idx lists records from byte 40 to"):
        read_face_records(path)


def test_files_that_are_missing_or_empty(tmp_path: Path) -> None:
    path = write(tmp_path, SET)
    (tmp_path / "train.idx").unlink()
    with pytest.raises(DataError, match=r"^there is no file .*train.idx$"):
        read_face_records(path)
    with pytest.raises(DataError, match=r"^there is no file .*nowhere.rec$"):
        read_face_records(tmp_path / "nowhere.rec")
    path.write_bytes(b"")
    with pytest.raises(DataError, match=r"train.rec is empty; expected a RecordIO file"):
        list(iterate_faces(path))


def test_a_file_that_ends_before_its_header_says(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"train.rec ends after 3 images; expected 5, as its header says"):
        list(iterate_faces(write(tmp_path, SET[:4])))


def test_offsets_are_not_read_again_for_each_image(tmp_path: Path) -> None:
    """A set of many records is opened without touching them: only the header and three others are read."""
    faces = read_face_records(write(tmp_path, SET))
    (tmp_path / "train.idx").unlink()
    assert faces[4] == (IMAGES[4], 1)
    assert faces.offsets.dtype == torch.int64
