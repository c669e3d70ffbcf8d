"""Labelled embeddings: verification of all pairs, identification, retrieval, geometry."""

import os
from pathlib import Path

from ..data import DataError
from ..embedding import embed, load_backbone
from ..evaluation import EvaluationOptions, Progress
from ..evaluation.progress import silent
from ..protocols import Embeddings, read_embeddings
from ..training.data import read_same_data
from ._evaluated import Evaluated, PictureFiles


def evaluate_run(
    folder: str | os.PathLike[str],
    options: EvaluationOptions,
    *,
    flip: bool = False,
    data_folder: Path | None = None,
    progress: Progress = silent,
    trust: bool = False,
) -> Evaluated:
    """Evaluate the test side of a run with the embeddings of its last checkpoint.

    Args:
        folder: of the run.
        options: of the evaluation.
        flip: whether features of an image and of its mirror image are added up.
        data_folder: where named data sets are kept; None for the usual place.
        progress: reports the steps that are done.
        trust: whether a backbone of one's own may be imported, as of `cones.embedding.load_backbone`.

    Returns:
        `Evaluated`, with images where the run was trained on images.

    Raises:
        FileNotFoundError, CheckpointError, DataError, ValueError: the run or its data are missing or broken.
        TrainingError: the data have changed since the run was trained.
    """
    folder = Path(folder)
    model = load_backbone(folder, data_folder=data_folder, trust=trust)
    test = read_same_data(folder, data_folder).test
    features = embed(model, test.inputs, flip=flip)
    evaluation = options.evaluate(features, test.labels, progress)
    images = test.inputs if test.inputs.ndim == 4 else None
    return Evaluated(f"{folder.name} on {test.name}", evaluation, images, None, test.classes)


def evaluate_embeddings(
    embeddings: str | os.PathLike[str] | Embeddings,
    options: EvaluationOptions,
    *,
    title: str = "",
    folder: str | os.PathLike[str] | None = None,
    progress: Progress = silent,
) -> Evaluated:
    """Evaluate embeddings with labels.

    Args:
        embeddings: a file that `read_embeddings` reads, or its result.
        options: of the evaluation.
        title: of the report; by default the name of the file.
        folder: where the pictures are that the embeddings name; None to show none.
        progress: reports the steps that are done.

    Returns:
        `Evaluated`.

    Raises:
        DataError: the file is broken, or has no labels.
    """
    if isinstance(embeddings, Embeddings):
        given, title = embeddings, title or "embeddings"
    else:
        given, title = read_embeddings(Path(embeddings)), title or Path(embeddings).name
    if given.labels is None:
        raise DataError(f"{title} has no labels; expected labels, or a list of pairs, templates or trials beside it")
    evaluation = options.evaluate(given.features, given.labels, progress)
    images = None
    if folder is not None and given.names is not None:
        images = PictureFiles([Path(folder) / name for name in given.names])
    return Evaluated(title, evaluation, images, given.names, given.classes)
