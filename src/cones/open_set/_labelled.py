"""Labelled embeddings: verification of all pairs, identification, retrieval, geometry."""

from pathlib import Path

from ..data import DataError
from ..embedding import embed, load_backbone
from ..evaluation import evaluate
from ..protocols import Embeddings, read_embeddings
from ..training import read_run
from ..training._loop import read_data
from ._asked import Asked
from ._evaluated import Evaluated, PictureFiles


def evaluate_run(
    folder: Path, asked: Asked, *, flip: bool = False, data_folder: Path | None = None, trust: bool = False
) -> Evaluated:
    """The test side of a run, under the embeddings of its last checkpoint.

    Args:
        folder: of the run.
        asked: the figures.
        flip: whether features of an image and of its mirror image are added up.
        data_folder: where named data sets are kept; None for the usual place.
        trust: whether a backbone of one's own may be imported, as of `cones.embedding.load_backbone`.

    Returns:
        `Evaluated`, with images where the run was trained on images.

    Raises:
        FileNotFoundError, CheckpointError, DataError, ValueError: the run or its data are missing or broken.
    """
    test = read_data(read_run(folder / "config.toml"), data_folder).test
    features = embed(load_backbone(folder, data_folder=data_folder, trust=trust), test.inputs, flip=flip)
    found = evaluate(
        features, test.labels, asked.far, asked.similarity,
        resamples=asked.resamples, confidence=asked.confidence, seed=asked.seed,
    )  # fmt: skip
    images = test.inputs if test.inputs.ndim == 4 else None
    return Evaluated(f"{folder.name} on {test.name}", found, images, None, test.classes)


def evaluate_embeddings(
    embeddings: Path | Embeddings, asked: Asked, *, title: str = "", folder: Path | None = None
) -> Evaluated:
    """Embeddings with labels.

    Args:
        embeddings: a file that `read_embeddings` takes, or what it returns.
        asked: the figures.
        title: what was embedded; by default the name of the file.
        folder: where the pictures are that the embeddings name; None to show none.

    Returns:
        `Evaluated`.

    Raises:
        DataError: the file is broken, or has no labels.
    """
    title = title or (embeddings.name if isinstance(embeddings, Path) else "embeddings")
    given = read_embeddings(embeddings) if isinstance(embeddings, Path) else embeddings
    if given.labels is None:
        raise DataError(f"{title} has no labels; expected some, or a list of pairs, templates or trials beside it")
    found = evaluate(
        given.features, given.labels, asked.far, asked.similarity,
        resamples=asked.resamples, confidence=asked.confidence, seed=asked.seed,
    )  # fmt: skip
    images = None
    if folder is not None and given.names is not None:
        images = PictureFiles([folder / name for name in given.names])
    return Evaluated(title, found, images, given.names, given.classes)
