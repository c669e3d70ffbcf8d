from pathlib import Path

import pytest

from tests.tiny_run import train


@pytest.fixture(scope="session")
def lenets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run of LeNets++ on grey pictures of 16 pixels."""
    return train(tmp_path_factory.mktemp("run") / "lenets", "lenets")
