"""Fixtures of the data tests: a data folder with real files, and small pictures to write."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cones.data import load
from tests.glyph_fonts import folder_of


@pytest.fixture(scope="session")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder into which mnist5k has really been fetched, once for all tests."""
    folder = tmp_path_factory.mktemp("root")
    load("mnist5k", root=folder)
    return folder


@pytest.fixture
def unreachable(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No package client finds anything: nothing listens where pip is sent, and PATH holds no other client."""
    for name in ("PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_RETRIES", "0")
    monkeypatch.setenv("PATH", str(tmp_path))


Draw = Callable[..., Path]


@pytest.fixture
def draw(tmp_path: Path) -> Draw:
    """Write a picture of noise to `tmp_path`/name and return its path."""
    generator = np.random.default_rng(0)

    def write(name: str, width: int = 6, height: int = 6, mode: str = "L") -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        shape = (height, width) if mode == "L" else (height, width, len(mode))
        Image.fromarray(generator.integers(0, 256, shape, dtype=np.uint8), mode=None).save(path)
        return path

    return write


@pytest.fixture
def fonts(tmp_path: Path) -> Path:
    """A folder of four designs of Latin letters."""
    return folder_of(
        tmp_path / "fonts", a="DejaVuSans.ttf", b="DejaVuSerif.ttf", c="cmtt10.ttf", d="STIXGeneralItalic.ttf"
    )
