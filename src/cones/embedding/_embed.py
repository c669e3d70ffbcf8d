import torch
from torch import Tensor

from ..evaluation import combine_embeddings
from ..training.features import BLOCK, features_of
from ._model import Model


def embed(model: Model, images: Tensor, *, flip: bool = False) -> Tensor:
    """Embeddings of images, or of vectors where the run was trained on vectors, a block at a time.

    Args:
        model: from `load_backbone`.
        images: (N, C, H, W) uint8 pixels, or (N, features) float32; of the shape that the run was trained on. Scaling
            is done here.
        flip: add up the unit features of each image and of its mirror image, and normalise; see `combine_embeddings`.

    Returns:
        (N, D) float32 on the CPU: features as the backbone gives them, lengths and all; with flip unit rows.

    Raises:
        ValueError: images have another shape or dtype than the run's, or flip is asked of vectors.
    """
    _check(model, images, flip)
    if len(images) == 0:
        return torch.empty(0, model.dim)
    if not flip:
        return features_of(model.backbone, images, model.device, model.run)
    return torch.cat([_with_mirror_image(model, block) for block in images.split(BLOCK)])


def _with_mirror_image(model: Model, images: Tensor) -> Tensor:
    views = [features_of(model.backbone, view, model.device, model.run) for view in (images, images.flip(3))]
    return combine_embeddings(views).float()


def _check(model: Model, images: Tensor, flip: bool) -> None:
    expected = model.input
    if tuple(images.shape[1:]) != expected.shape or images.dtype != expected.dtype:
        raise ValueError(
            f"images is {tuple(images.shape)} {images.dtype}, but {model.folder} was trained on "
            f"(N, {', '.join(map(str, expected.shape))}) {expected.dtype}: resize or convert them"
        )
    if flip and not expected.images:
        raise ValueError(f"flip is True, but {model.folder} was trained on vectors, which have no mirror image")
