"""Embeddings out of a trained run: its backbone, and pictures in the form that it was trained on."""

from ._embed import embed as embed
from ._model import Model as Model
from ._model import load_backbone as load_backbone
from ._source import embed_source as embed_source

__all__ = ["Model", "embed", "embed_source", "load_backbone"]
