"""What the commands do that take a trained run, or its embeddings: each prints, and returns the exit code."""

from pathlib import Path
from typing import TYPE_CHECKING

from ..common.run_folder import CONFIG
from .commands import UsageError
from .model_commands import Embed, Evaluate, Export
from .terminal import Console, print

if TYPE_CHECKING:
    from ..evaluation import Progress
    from ..open_set import Evaluated, EvaluationOptions

EMBEDDINGS = (".npz", ".npy", ".safetensors")


def do_evaluate(command: Evaluate) -> int:
    from ..open_set import EvaluationOptions, check_evaluation_folder, write_evaluation
    from .stage_progress import StageDisplay

    try:
        asked = EvaluationOptions(
            command.far, command.similarity, command.resamples, command.confidence, command.seed,
            command.p_target, command.costs, command.min_pairs,
        )  # fmt: skip
    except ValueError as error:
        name, _, text = str(error).partition(" ")
        raise UsageError(f"--{name.replace('_', '-')} {text}") from error
    check_evaluation_folder(command.out)
    with StageDisplay() as display:
        evaluated = _evaluated(command, asked, display)
    Console(soft_wrap=True, highlight=False, emoji=False).print(str(evaluated.evaluation), markup=False)
    for path in write_evaluation(command.out, evaluated):
        print(path)
    return 0


def do_embed(command: Embed) -> int:
    from ..embedding import embed_source, load_backbone
    from ..protocols import EMBEDDING_SUFFIXES, write_embeddings

    if command.out.suffix.lower() not in EMBEDDING_SUFFIXES:
        raise UsageError(f"--out is {command.out}, expected a file that ends in {', '.join(EMBEDDING_SUFFIXES)}")
    model = load_backbone(
        command.model, command.which, device=command.device, data_folder=command.data_folder, trust=command.trust
    )
    embeddings = embed_source(
        model, command.source, side=command.side, flip=command.flip, data_folder=command.data_folder
    )
    write_embeddings(command.out, embeddings)
    rows, dims = embeddings.features.shape
    labelled = "no labels" if embeddings.labels is None else f"{len(embeddings.classes)} classes"
    print(f"{rows} embeddings of {dims} dims, {labelled}\n{command.out}")
    return 0


def do_export(command: Export) -> int:
    from ..export import export_run

    if not 0 <= command.far < 1:
        raise UsageError(f"--far is {command.far}, expected a rate of at least 0 and below 1")
    if command.samples < 2:
        raise UsageError(f"--samples is {command.samples}, expected at least 2, which make a pair")
    exported = export_run(
        command.run,
        command.out,
        formats=("onnx", "torch") if command.format == "both" else (command.format,),
        far=command.far,
        decision=command.decision,
        samples=command.samples,
        which=command.which,
        data_folder=command.data_folder,
        trust=command.trust,
    )
    print(exported)
    return 0


def _evaluated(command: Evaluate, asked: "EvaluationOptions", progress: "Progress") -> "Evaluated":
    """By the kind of source."""
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

    source = Path(command.source)
    _check(command, source)
    if command.model is None:
        if (source / CONFIG).is_file():
            return evaluate_run(
                source,
                asked,
                flip=command.flip,
                data_folder=command.data_folder,
                progress=progress,
                trust=command.trust,
            )
        if source.suffix.lower() == ".csv":
            return evaluate_scores(source, asked, progress=progress)
        embeddings, pictures = read_embeddings(source), command.pictures
    else:
        model = load_backbone(command.model, data_folder=command.data_folder, trust=command.trust)
        if source.suffix.lower() == ".bin":
            return evaluate_bin(source, model, asked, flip=command.flip, progress=progress)
        side = "all" if source.is_dir() else command.side
        embeddings = embed_source(model, command.source, side=side, flip=command.flip, data_folder=command.data_folder)
        pictures = command.pictures or (source if source.is_dir() else None)
    if command.pairs is not None:
        return evaluate_list(
            embeddings,
            command.pairs,
            asked,
            form=command.form,
            repeats=command.repeats,
            folder=pictures,
            progress=progress,
        )
    if command.templates is not None and command.template_pairs is not None:
        return evaluate_templates(embeddings, command.templates, command.template_pairs, asked, progress=progress)
    return evaluate_embeddings(embeddings, asked, title=source.name, folder=pictures, progress=progress)


def _check(command: Evaluate, source: Path) -> None:
    """What does not go together is said before anything is read."""
    if (command.templates is None) != (command.template_pairs is None):
        raise UsageError("--templates and --template-pairs belong together: give both lists")
    if command.pairs is not None and command.templates is not None:
        raise UsageError("--pairs and --templates are both given: one of them says what is compared")
    if command.model is not None:
        return
    is_run = (source / CONFIG).is_file()
    if source.suffix.lower() == ".bin":
        raise UsageError(f"{source} holds pictures: name the run that embeds them with --model")
    if not is_run and source.suffix.lower() not in (*EMBEDDINGS, ".csv"):
        raise UsageError(
            f"{source} is no run (no config.toml in it), no embeddings ({', '.join(EMBEDDINGS)}) and no scores (.csv): "
            "for pictures name the run that embeds them with --model"
        )
    if command.pairs is not None and (is_run or source.suffix.lower() == ".csv"):
        raise UsageError("--pairs needs embeddings with names, or pictures and --model")
