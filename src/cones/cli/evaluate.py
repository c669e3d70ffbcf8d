"""`cones evaluate`: open-set evaluation of a run, of embeddings or of scores."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from ..common.run_folder import CONFIG
from .terminal import Console, print
from .usage import UsageError

if TYPE_CHECKING:
    from ..evaluation import Progress
    from ..open_set import Evaluated, EvaluationOptions


@dataclass(frozen=True)
class Evaluate:
    """Evaluate verification, identification, retrieval and geometry, also on subjects unseen in training.

    Prints a table and writes evaluation.json, evaluation.csv and report.html. A figure that the data cannot support is
    n/a, with the reason.

    Args:
        source: folder of a run, evaluated on its test side; or embeddings (.npz, .npy, .safetensors); or scores (.csv
            with score,same); or, with --model, pictures: a folder, a data set as for cones train, or an insightface
            .bin file
        model: folder of the run that embeds the pictures in source
        pairs: list of pairs to score: csv, LFW's pairs.txt, or trials; by default all pairs are scored
        form: format of that list; auto detects it
        repeats: count a pair as often as it is listed; otherwise a pair listed twice is an error
        templates: list of "image template media", for --template-pairs
        template_pairs: list of "template template label"
        pictures: folder of the pictures named in the embeddings, to show the hardest pairs
        far: false accept rates
        similarity: similarity of two embeddings
        flip: add the unit features of each picture and its mirror image
        side: which side of a data set to evaluate, split in the same way as in the run
        resamples: bootstrap resamples of subjects for the intervals; 0 for none
        confidence: confidence level of the intervals
        seed: random seed of the resamples and the gallery
        p_target: prior of a genuine pair, for minDCF
        costs: costs of rejecting a genuine pair and of accepting an impostor pair, for minDCF
        min_pairs: fewest genuine or impostor pairs for which rates are reported
        out: folder to write to
        trust: import the run's backbone if it is user code, package.module:Net
        data_folder: folder for named data sets; by default $CONES_DATA or the user's cache
        traceback: show the full traceback of an error
    """

    source: Annotated[str, tyro.conf.Positional]
    model: Path | None = None
    pairs: Path | None = None
    form: Literal["auto", "csv", "lfw", "trials"] = "auto"
    repeats: bool = False
    templates: Path | None = None
    template_pairs: Path | None = None
    pictures: Path | None = None
    far: tuple[float, ...] = (1e-2, 1e-3, 1e-4)
    similarity: Literal["cosine", "euclidean"] = "cosine"
    flip: bool = False
    side: Literal["all", "train", "test"] = "test"
    resamples: int = 1000
    confidence: float = 0.95
    seed: int = 0
    p_target: float = 0.01
    costs: tuple[float, float] = (1.0, 1.0)
    min_pairs: int = 10
    out: Path = Path("runs/evaluation")
    trust: bool = False
    data_folder: Path | None = None
    traceback: bool = False

    def execute(self) -> int:
        """Print the table and write the report."""
        from ..open_set import EvaluationOptions, check_evaluation_folder, write_evaluation
        from .stage_progress import StageDisplay

        try:
            options = EvaluationOptions(
                self.far, self.similarity, self.resamples, self.confidence, self.seed,
                self.p_target, self.costs, self.min_pairs,
            )  # fmt: skip
        except ValueError as error:
            name, _, text = str(error).partition(" ")
            raise UsageError(f"--{name.replace('_', '-')} {text}") from error
        check_evaluation_folder(self.out)
        with StageDisplay() as display:
            evaluated = self._evaluated(options, display)
        Console(soft_wrap=True, highlight=False, emoji=False).print(str(evaluated.evaluation), markup=False)
        for path in write_evaluation(self.out, evaluated):
            print(path)
        return 0

    def _evaluated(self, options: "EvaluationOptions", progress: "Progress") -> "Evaluated":
        """Evaluate by the kind of source."""
        from ..embedding import embed_source, load_backbone
        from ..open_set import (
            evaluate_bin,
            evaluate_embeddings,
            evaluate_list,
            evaluate_run,
            evaluate_scores,
            evaluate_templates,
        )
        from ..protocols import read_embeddings

        source = Path(self.source)
        self._check(source)
        if self.model is None:
            if (source / CONFIG).is_file():
                return evaluate_run(
                    source,
                    options,
                    flip=self.flip,
                    data_folder=self.data_folder,
                    progress=progress,
                    trust=self.trust,
                )
            if source.suffix.lower() == ".csv":
                return evaluate_scores(source, options, progress=progress)
            embeddings, pictures = read_embeddings(source), self.pictures
        else:
            model = load_backbone(self.model, data_folder=self.data_folder, trust=self.trust)
            if source.suffix.lower() == ".bin":
                return evaluate_bin(source, model, options, flip=self.flip, progress=progress)
            side = "all" if source.is_dir() else self.side
            embeddings = embed_source(model, self.source, side=side, flip=self.flip, data_folder=self.data_folder)
            pictures = self.pictures or (source if source.is_dir() else None)
        if self.pictures is not None and embeddings.names is None:
            raise UsageError(f"--pictures is {pictures}, but {source} has no names: add names, or leave --pictures out")
        if self.pairs is not None:
            return evaluate_list(
                embeddings,
                self.pairs,
                options,
                form=self.form,
                repeats=self.repeats,
                folder=pictures,
                progress=progress,
            )
        if self.templates is not None and self.template_pairs is not None:
            return evaluate_templates(embeddings, self.templates, self.template_pairs, options, progress=progress)
        return evaluate_embeddings(embeddings, options, title=source.name, folder=pictures, progress=progress)

    def _check(self, source: Path) -> None:
        """Raise UsageError for options that do not go together, before anything is read."""
        from ..protocols import EMBEDDING_SUFFIXES

        if (self.templates is None) != (self.template_pairs is None):
            raise UsageError("--templates and --template-pairs belong together: give both lists")
        if self.pairs is not None and self.templates is not None:
            raise UsageError("--pairs and --templates are both given: pass only one of them")
        if self.pictures is not None and not self.pictures.is_dir():
            raise UsageError(f"--pictures is {self.pictures}, which is not a folder; expected that of the pictures")
        if self.pictures is not None and (self.templates is not None or source.suffix.lower() == ".bin"):
            raise UsageError("--pictures is not used with templates or an insightface .bin file: leave it out")
        if self.model is not None:
            return
        is_run, suffix = (source / CONFIG).is_file(), source.suffix.lower()
        if suffix == ".bin":
            raise UsageError(f"{source} holds pictures: name the run that embeds them with --model")
        if not is_run and suffix not in (*EMBEDDING_SUFFIXES, ".csv"):
            raise UsageError(
                f"{source} is not a run (no {CONFIG} in it), embeddings ({', '.join(EMBEDDING_SUFFIXES)}) or "
                "scores (.csv): for pictures name the run that embeds them with --model"
            )
        if self.pictures is not None and (is_run or suffix == ".csv"):
            raise UsageError("--pictures needs embeddings with names, or pictures and --model")
        if self.pairs is not None and (is_run or suffix == ".csv"):
            raise UsageError("--pairs needs embeddings with names, or pictures and --model")
