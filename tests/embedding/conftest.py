from pathlib import Path

import pytest

from cones.embedding import Model, load_backbone
from tests.tiny_run import train


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run of LeNets++ on grey pictures of 16 pixels."""
    return train(tmp_path_factory.mktemp("run") / "lenets", "lenets")


@pytest.fixture(scope="session")
def model(run: Path) -> Model:
    return load_backbone(run, device="cpu")
