"""Open-set evaluation of files: a run, embeddings, lists of pairs, scores; written as a report."""

from ..evaluation import EvaluationOptions as EvaluationOptions
from ..protocols.lines import ListForm as ListForm
from ._evaluated import Evaluated as Evaluated
from ._evaluated import PictureFiles as PictureFiles
from ._labelled import evaluate_embeddings as evaluate_embeddings
from ._labelled import evaluate_run as evaluate_run
from ._lists import evaluate_bin as evaluate_bin
from ._lists import evaluate_list as evaluate_list
from ._lists import evaluate_scores as evaluate_scores
from ._lists import evaluate_templates as evaluate_templates
from ._lists import subjects_of as subjects_of
from ._write import check_evaluation_folder as check_evaluation_folder
from ._write import write_evaluation as write_evaluation

__all__ = [
    "Evaluated",
    "EvaluationOptions",
    "ListForm",
    "PictureFiles",
    "check_evaluation_folder",
    "evaluate_bin",
    "evaluate_embeddings",
    "evaluate_list",
    "evaluate_run",
    "evaluate_scores",
    "evaluate_templates",
    "subjects_of",
    "write_evaluation",
]
