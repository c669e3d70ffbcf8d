"""Image files to one tensor."""

import io
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F

from cones.common.regular_file import not_a_file

from ._files import DataError
from ._progress import bar
from .formats import readable, why_passed_over

if TYPE_CHECKING:
    from PIL import Image

_IN_MEMORY = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")  # what needs no program beside Pillow, as EPS does
_BATCH = 1024


def read_pictures(name: str, paths: Sequence[Path], image_size: int | None) -> Tensor:
    """Return the images (N, C, H, W) as uint8: one channel if all are stored as grey, else red, green, blue.

    Each is turned as its EXIF orientation says; 16 bits a channel become 8; transparency is dropped.

    Args:
        name: what errors call the data set.
        paths: N >= 1 image files.
        image_size: pixels; each image is stretched to this width and height. None: all have one size already.

    Raises:
        DataError: if a file cannot be read as an image, or the sizes differ and `image_size` is None.
    """
    return _stacked(_read_all(name, [(str(path), path) for path in paths], image_size))


def decode_pictures(name: str, contents: Sequence[bytes], image_size: int | None = None) -> Tensor:
    """Return images (N, C, H, W) as uint8 from image files in memory, read as those of a folder are.

    Args:
        name: what errors call the set.
        contents: N >= 1 files, each JPEG, PNG or the like.
        image_size: pixels; each image is stretched to this width and height. None: all have one size already.

    Returns:
        (N, C, H, W) uint8, C = 1 where all are grey and 3 else.

    Raises:
        DataError: if one cannot be read as an image, or the sizes differ and `image_size` is None.
    """
    sources = [(f"image {position} of {name}", content) for position, content in enumerate(contents)]
    return _stacked(_read_all(name, sources, image_size))


def _stacked(arrays: Sequence[npt.NDArray[np.uint8]]) -> Tensor:
    if all(array.ndim == 2 for array in arrays):
        return torch.from_numpy(np.stack(arrays)).unsqueeze(1)
    colour = [array if array.ndim == 3 else np.repeat(array[:, :, None], 3, axis=2) for array in arrays]
    return torch.from_numpy(np.stack(colour)).permute(0, 3, 1, 2).contiguous()


def resized(images: Tensor, image_size: int) -> Tensor:
    """Return images (N, C, H, W) uint8 stretched to `image_size` pixels of width and height."""
    if tuple(images.shape[2:]) == (image_size, image_size):
        return images
    size = (image_size, image_size)
    parts = [F.interpolate(part, size, mode="bilinear", antialias=True) for part in torch.split(images, _BATCH)]
    return torch.cat(parts)


def with_channels(images: Tensor, channels: int) -> Tensor:
    """Return images (N, C, H, W) uint8 in 1 channel or 3: grey is repeated, colour becomes its luma.

        (19595 R + 38470 G + 7471 B + 2^15) / 2^16, rounded down: what Pillow makes of RGB in mode L

    Raises:
        ValueError: if images have other numbers of channels than 1 and 3.
    """
    if images.shape[1] == channels:
        return images
    if {images.shape[1], channels} != {1, 3}:
        raise ValueError(f"images have {images.shape[1]} channels, expected {channels}: only 1 and 3 can be converted")
    if channels == 3:
        return images.expand(-1, 3, -1, -1)
    weight = torch.tensor([19595, 38470, 7471], dtype=torch.int32).view(3, 1, 1)
    parts = [((part * weight).sum(1, keepdim=True) + 2**15) >> 16 for part in torch.split(images, _BATCH)]
    return torch.cat(parts).to(torch.uint8)


_Source = tuple[str, Path | bytes]  # what errors call an image, and the image


def _read_all(name: str, sources: Sequence[_Source], image_size: int | None) -> list[npt.NDArray[np.uint8]]:
    readable()  # finds the readers that Pillow can have here before the threads ask for them
    arrays: list[npt.NDArray[np.uint8]] = []
    pool = ThreadPoolExecutor(min(8, os.cpu_count() or 1))
    try:
        with bar(f"reads {name}", len(sources), in_bytes=False) as done:
            read = pool.map(lambda source: _read(source[0], source[1], image_size), sources)
            for (label, _), array in zip(sources, read, strict=True):
                if arrays and array.shape[:2] != arrays[0].shape[:2]:
                    raise DataError(
                        f"image_size is None, but the images of {name} differ in size: {sources[0][0]} is "
                        f"{_size(arrays[0])} and {label} is {_size(array)} pixels; "
                        "pass image_size=S to stretch all to S x S"
                    )
                arrays.append(array)
                done(1)
    finally:
        pool.shutdown(cancel_futures=True)  # after an error or a key press the rest is left unread
    return arrays


def _read(label: str, source: Path | bytes, image_size: int | None) -> npt.NDArray[np.uint8]:
    """(H, W) if the image is stored as grey, else (H, W, 3)."""
    from PIL import Image, ImageOps

    if isinstance(source, Path) and (fault := not_a_file(source)):
        raise DataError(f"{fault}; expected a picture")
    try:
        formats = _IN_MEMORY if isinstance(source, bytes) else None
        with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source, formats=formats) as file:
            form = file.format  # a turned copy forgets it
            image = _eight_bits(ImageOps.exif_transpose(file), form)
    except Exception as error:  # every decoder has exceptions of its own for a damaged file
        raise DataError(f"{label} cannot be read: {_reason(source)} ({error}); fix the file or remove it") from error
    if image_size is not None:
        image = image.resize((image_size, image_size), Image.Resampling.BILINEAR)
    return np.asarray(image, dtype=np.uint8)


def _reason(source: Path | bytes) -> str:
    """Why a picture cannot be read, as far as its name tells."""
    suffix = source.suffix.lower() if isinstance(source, Path) else ""
    if suffix in readable() or not why_passed_over(suffix).startswith("."):
        return "it is not an image or is damaged"
    return f"its name ends in {why_passed_over(suffix)}"


def _eight_bits(image: "Image.Image", form: str | None) -> "Image.Image":
    """The same picture in mode L or RGB."""
    from PIL import Image

    if image.mode.startswith("I;16") or (image.mode == "I" and form in ("PNG", "PPM")):
        # Pillow's own conversion would clip at 255.
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if image.mode in ("I", "F"):
        raise ValueError("it has 32 bits per pixel, expected 8 or 16")
    if image.mode in ("1", "L", "LA", "La"):
        return image.convert("L")
    if image.mode in ("P", "PA"):
        image = image.convert("RGBA")  # a palette may hold transparency, which Pillow wants kept until here
    return image.convert("RGB")


def _size(array: npt.NDArray[np.uint8]) -> str:
    return f"{array.shape[1]} x {array.shape[0]}"
