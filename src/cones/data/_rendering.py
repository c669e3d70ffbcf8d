"""Characters drawn by all fonts of a folder, kept on the disk with a list of what drew them."""

import hashlib
import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from cones.common.atomic_files import WriteError, replacing, write_text

from ._designs import judge
from ._files import DataError
from ._fonts import Face, find_faces
from ._glyphs import draw
from ._progress import bar


@dataclass(frozen=True, eq=False)
class Rendering:
    """Pictures of characters, each by several designs.

    Args:
        images: (N, 1, S, S) uint8, design by design.
        labels: (N,) int64, which character.
        designs: (N,) int64, which design.
        about: what goes to the list on the disk: the programs that drew; "designs", each with its package
            ("source") and version, its file with sha256, its glyph count and what it lacks; "dropped", with why.
    """

    images: Tensor
    labels: Tensor
    designs: Tensor
    about: dict[str, Any]


def render(folder: Path, characters: Sequence[str], size: int, versions: Mapping[str, str]) -> Rendering:
    """Draw `characters` with every design among the fonts below `folder`.

    The same files drawn by the same FreeType give the same bytes, in whatever folder they lie.

    Args:
        folder: where the fonts are; a folder in it is a source.
        characters: each of one code point.
        size: S, pixels.
        versions: of the sources that have one.

    Raises:
        DataError: if no font draws half of the characters or more.
    """
    from PIL import __version__, features

    faces = find_faces(folder)
    verdicts = judge(faces, characters)
    chosen = [verdict.face for verdict in verdicts if not verdict.dropped]
    if not chosen:
        first = f"; {faces[0].name} {verdicts[0].dropped}" if faces else ""
        raise DataError(
            f"{folder} holds {len(faces)} fonts (.ttf, .otf, .ttc or .otc), and none draws half or more of the "
            f"{len(characters)} characters, such as {characters[0]}{first}; put fonts there that do"
        )
    sheets = []
    with bar("draws the characters", len(chosen), in_bytes=False) as done:
        for face in chosen:
            sheets.append(draw(face, characters, size))
            done(1)
    counts = torch.tensor([len(sheet.places) for sheet in sheets])
    about = {
        "pillow": __version__,
        "freetype": features.version("freetype2"),
        "size": size,
        "designs": [
            _line(face, versions) | {"glyphs": len(sheet.places), "left_out": sheet.left_out}
            for face, sheet in zip(chosen, sheets, strict=True)
        ],
        "dropped": [
            _line(face, versions) | {"why": why} for face, why in ((v.face, v.dropped) for v in verdicts) if why
        ],
    }
    return Rendering(
        torch.from_numpy(np.concatenate([sheet.pictures for sheet in sheets])).unsqueeze(1),
        torch.from_numpy(np.concatenate([sheet.places for sheet in sheets])),
        torch.arange(len(sheets)).repeat_interleave(counts),
        about,
    )


def _line(face: Face, versions: Mapping[str, str]) -> dict[str, Any]:
    version = versions.get(face.source, "")
    return {"source": face.source, "version": version, "design": face.name, "sha256": face.sha256}


def kept(path: Path, make: Callable[[], Rendering]) -> Rendering:
    """Return the rendering kept at `path` (.npz, with its list beside it as .json), made and kept there if it is not.

    Raises:
        DataError: if what is kept is damaged or cannot be read or written, or as `make` does.
    """
    if not is_kept(path):
        _keep(path, make())
    return _read(path)


def is_kept(path: Path) -> bool:
    """Say whether a rendering is kept at `path`. The list is written last, so that with it all is there."""
    return path.is_file() and path.with_suffix(".json").is_file()


def _keep(path: Path, rendering: Rendering) -> None:
    arrays = {name: getattr(rendering, name).numpy() for name in ("images", "labels", "designs")}
    file = io.BytesIO()
    np.savez(file, allow_pickle=False, **arrays)
    data = file.getvalue()
    about = {"sha256": hashlib.sha256(data).hexdigest()} | rendering.about
    try:
        with replacing(path) as aside:
            aside.write_bytes(data)
        write_text(path.with_suffix(".json"), json.dumps(about, indent=1, ensure_ascii=False) + "\n")
    except WriteError as error:
        raise DataError(f"{path} cannot be written ({error.reason})") from error


def _read(path: Path) -> Rendering:
    remedy = "delete it to have it drawn again"
    try:
        about = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
        expected = about["sha256"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        reason = f"it has no {error}" if isinstance(error, KeyError) else error
        raise DataError(f"{path.with_suffix('.json')} is damaged ({reason}); {remedy}") from error
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error}); fix its permissions, or {remedy}") from error
    actual = hashlib.sha256(data).hexdigest()
    if actual != expected:
        raise DataError(f"{path} is truncated or altered: it has sha256 {actual}, expected {expected}; {remedy}")
    with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
        images, labels, designs = (torch.from_numpy(arrays[name]) for name in ("images", "labels", "designs"))
    return Rendering(images, labels, designs, about)
