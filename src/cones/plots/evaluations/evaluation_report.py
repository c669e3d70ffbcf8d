"""report.html of an open-set evaluation: its figures with intervals, curves, hardest pairs and subjects."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ...common.atomic_files import write_text
from ...evaluation import Evaluation, Figure, VerificationDetails
from ...evaluation.figure import threshold_text
from .._page import Section, render, section, single_section
from .._text import number
from ._curves import pairs
from ._evaluation_table import Group, figure_groups
from .det import det_figure
from .hard_pairs import Images, hard_pairs_figure
from .identification import cmc_figure
from .subjects import SubjectNames, names_of_subjects, subject_figure, worst
from .verification import roc_figure, score_figure

WORST = 10


@dataclass(frozen=True)
class WorstList:
    """The subjects with most errors of a kind: name, false rejects and false accepts of each."""

    heading: str
    rows: tuple[tuple[str, str, str], ...]


@dataclass(frozen=True)
class Page:
    """What the template shows; what is empty is left out."""

    title: str
    lead: Sequence[str]
    numbers: Sequence[tuple[str, str]]
    groups: Sequence[Group]
    curves: Sequence[Section]
    no_curves: str
    scores: Section | None
    identification: Section | None
    hard_pairs: Section | None
    subjects: Section | None
    worst: Sequence[WorstList]


def write_evaluation_report(
    out: str | os.PathLike[str],
    *,
    title: str,
    evaluation: Evaluation,
    details: VerificationDetails,
    images: Images | None = None,
    names: Sequence[str] | None = None,
    subject_names: SubjectNames | None = None,
) -> Path:
    """Write OUT/figures/*.svg, *.png and OUT/report.html for an evaluation.

    Args:
        out: a folder; made when it is missing.
        title: what was evaluated, such as "ArcFace on ORL".
        evaluation: the figures, with those of verification at least.
        details: what the curves and lists of the same verification need.
        images: `images[row]` is the (C, H, W) uint8 image of an evaluated row; None leaves out the hardest pairs.
        names: (N,) a name for each evaluated row, written under its image.
        subject_names: `subject_names[label]` is the name of a subject; None for those of text labels, or the
            labels themselves.

    Returns:
        The path of report.html, one file that refers to nothing outside itself.

    Raises:
        ValueError: rows without an image or name, images of another type or shape, or a label without a name.
    """
    out = Path(out)
    subject_names = evaluation.subject_names if subject_names is None else subject_names
    genuine, impostors = pairs(details)
    curves, no_curves = [], ""
    if genuine and impostors:
        curves = _curves(out, details)
    else:
        no_curves = f"There is no curve of {genuine:,} genuine and {impostors:,} impostor pairs: it takes both kinds."
    page = Page(
        title=title,
        lead=_lead(evaluation, details),
        numbers=_numbers(evaluation),
        groups=figure_groups(evaluation),
        curves=curves,
        no_curves=no_curves,
        scores=_scores(out, details) if genuine + impostors else None,
        identification=_identification(out, evaluation),
        hard_pairs=None if images is None else _hard_pairs(out, details, images, names),
        subjects=_subjects(out, details, subject_names) if len(details.subjects) else None,
        worst=_worst_lists(details, subject_names),
    )
    path = out / "report.html"
    write_text(path, render("evaluation.html.j2", vars(page)))
    return path


def _lead(evaluation: Evaluation, details: VerificationDetails) -> list[str]:
    """What the data can support, in words."""
    genuine, impostors = evaluation.verification.genuine, evaluation.verification.impostors
    said = [
        "It is asked whether two samples show one subject, not which class they are of, so the subjects may be "
        "strangers to the network."
    ]
    if genuine and impostors:
        said.append(
            f"With {impostors:,} impostor pairs the lowest false accept rate that can be counted is "
            f"{number(1 / impostors, 2)}; with {genuine:,} genuine pairs a true accept rate moves in steps of "
            f"{number(100 / genuine, 2)} %. A figure that asks for more is n/a, with the reason."
        )
    said.append(
        f"Single errors are counted at a score of {threshold_text(details.threshold)}, the threshold for a false "
        f"accept rate of {details.threshold_far:g}."
    )
    said += [f"Note that {warning}." for warning in evaluation.warnings()]
    return said


def _numbers(evaluation: Evaluation) -> list[tuple[str, str]]:
    verification = evaluation.verification
    numbers = []
    if evaluation.samples:
        numbers.append(("samples", f"{evaluation.samples:,}"))
    else:
        numbers.append(("pairs", f"{evaluation.pairs:,}"))
    if evaluation.subjects:
        numbers.append(("subjects", f"{evaluation.subjects:,}"))
    if evaluation.unknown:
        numbers.append(("samples of unknown subjects", f"{evaluation.unknown:,}"))
    numbers += [
        ("genuine pairs", f"{verification.genuine:,}"),
        ("impostor pairs", f"{verification.impostors:,}"),
    ]
    shown = [figure for figure in evaluation.figures() if figure.value is not None]
    return numbers + [(figure.name, figure.value_text) for figure in shown if _is_main(figure)]


def _is_main(figure: Figure) -> bool:
    """Whether a figure is at the head of the page."""
    return figure.name in ("EER", "rank 1") or figure.name.startswith("TAR at FAR")


def _curves(out: Path, details: VerificationDetails) -> list[Section]:
    band = "" if details.band is None else f" The band is the {100 * details.confidence:g} % interval."
    return [
        single_section(
            out,
            "roc",
            "ROC",
            "Genuine pairs accepted, over impostor pairs accepted by mistake, as the threshold falls: "
            f"higher is better, and most so at the left.{band}",
            roc_figure(details),
        ),
        single_section(
            out,
            "det",
            "DET",
            "Both errors against each other, on axes that make a line of normally distributed scores: "
            "nearer to the lower left is better. On the dotted line both errors are equal.",
            det_figure(details),
        ),
    ]


def _scores(out: Path, details: VerificationDetails) -> Section:
    return section(
        out,
        "scores",
        "Scores",
        "Where the two overlap they are confused: genuine pairs left of the dashed line are rejected by mistake, "
        "impostor pairs right of it accepted by mistake. The logarithmic panel shows how many these are.",
        lambda n: score_figure(details, columns=n),
        columns=2,
    )


def _identification(out: Path, evaluation: Evaluation) -> Section | None:
    found = evaluation.identification
    if found is None:
        return None
    text = "How many probes find their own subject among the first of the gallery."
    if found.open_set:
        text += (
            " In the open set the probes of strangers must raise no alarm: how many are still found first, above the "
            "threshold that lets so many strangers through."
        )
    return section(out, "cmc", "Identification", text, lambda n: cmc_figure(found, columns=n), columns=2)


def _hard_pairs(out: Path, details: VerificationDetails, images: Images, names: Sequence[str] | None) -> Section | None:
    if len(details.hard_genuine) + len(details.hard_impostors) == 0:
        return None
    return section(
        out,
        "hard-pairs",
        "Hardest pairs",
        "Genuine pairs that look least alike to the network, and impostor pairs that look most alike. Look here "
        "first for wrong labels and for images that show nothing.",
        lambda n: hard_pairs_figure(details, images, names, columns=n),
        columns=6,
    )


def _subjects(out: Path, details: VerificationDetails, names: SubjectNames | None) -> Section:
    return section(
        out,
        "subjects",
        "Subjects",
        "The share of each subject's own pairs that are rejected, and of its pairs with others that are accepted. "
        "A steep curve says that few subjects make most errors.",
        lambda n: subject_figure(details, names, columns=n),
        columns=2,
    )


def _worst_lists(details: VerificationDetails, names: SubjectNames | None) -> list[WorstList]:
    """The worst subjects by each kind of errors; a kind that nobody makes is left out."""
    called = names_of_subjects(details, names)
    rejects, accepts = details.false_rejects, details.false_accepts
    lists = []
    for heading, shares in (("Most false rejects", rejects), ("Most false accepts", accepts)):
        places = worst(shares, WORST)
        rows = tuple((called[place], _share(rejects[place].item()), _share(accepts[place].item())) for place in places)
        if rows:
            lists.append(WorstList(heading, rows))
    return lists


def _share(value: float) -> str:
    """A share as a percentage with three digits: a subject's false accepts are few among very many pairs."""
    return number(100 * value) + " %" if value == value else number(value)
