"""report.html of an open-set evaluation: its figures with intervals, curves, hardest pairs and subjects."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ...common.atomic_files import write_text
from ...common.run_folder import REPORT, remove_evaluation_report
from ...evaluation import Evaluation, VerificationDetails
from ...evaluation.figure import threshold_text
from ...evaluation.sources import Images, SubjectNames
from .._page import Section, render, section, single_section
from .._text import number
from ._curves import pairs
from ._evaluation_table import Group, figure_groups
from .det import det_figure
from .hard_pairs import hard_pairs_figure
from .identification import cmc_figure
from .subjects import names_of_subjects, subject_figure, worst
from .verification import roc_figure, score_figure

WORST = 10


@dataclass(frozen=True)
class WorstList:
    """The subjects with most errors of a kind: name, false rejects and false accepts of each."""

    heading: str
    rows: tuple[tuple[str, str, str], ...]


@dataclass(frozen=True)
class Page:
    """Values for the template; empty parts are left out."""

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
    details: VerificationDetails | None,
    images: Images | None = None,
    names: Sequence[str] | None = None,
    subject_names: SubjectNames | None = None,
) -> Path:
    """Write OUT/figures/*.svg, *.png and OUT/report.html for an evaluation; earlier figures of one are removed.

    Args:
        out: a folder; made when it is missing.
        title: of the report, such as "ArcFace on ORL".
        evaluation: the figures, with those of verification at least.
        details: of the same verification, for the curves and lists; None where there are none, and the page says why.
        images: `images[row]` is the (C, H, W) uint8 image of an evaluated row; None leaves out the hardest pairs.
        names: (N,) a name for each evaluated row, written under its image.
        subject_names: `subject_names[label]` is the name of a subject; None for those of text labels, or the
            labels themselves.

    Returns:
        The path of report.html, one file that refers to nothing outside itself.

    Raises:
        ValueError: rows without an image or name, images of another type or shape, a label without a name, or
            OUT/figures is a link.
    """
    out = Path(out)
    subject_names = evaluation.subject_names if subject_names is None else subject_names
    remove_evaluation_report(out)
    some = details is not None and sum(pairs(details)) > 0
    both = details is not None and min(pairs(details)) > 0
    page = Page(
        title=title,
        lead=_lead(evaluation, details),
        numbers=_numbers(evaluation),
        groups=figure_groups(evaluation),
        curves=_curves(out, details) if details is not None and both else [],
        no_curves="" if both else _no_curves(evaluation, details),
        scores=_scores(out, details) if details is not None and some else None,
        identification=_identification(out, evaluation),
        hard_pairs=None if images is None or details is None else _hard_pairs(out, details, images, names),
        subjects=_subjects(out, details, subject_names) if details is not None and len(details.subjects) else None,
        worst=[] if details is None else _worst_lists(details, subject_names),
    )
    path = out / REPORT
    write_text(path, render("evaluation.html.j2", vars(page)))
    return path


def _no_curves(evaluation: Evaluation, details: VerificationDetails | None) -> str:
    """Return why there are no curves, as a sentence."""
    genuine, impostors = evaluation.verification.genuine, evaluation.verification.impostors
    if details is not None or not genuine or not impostors:
        return f"No curve can be drawn from {genuine:,} genuine and {impostors:,} impostor pairs: it needs both kinds."
    reason = evaluation.verification.refused.get("eer") or f"{genuine:,} genuine pairs are too many to list"
    return f"No curve is drawn: {reason}."


def _lead(evaluation: Evaluation, details: VerificationDetails | None) -> list[str]:
    """Return sentences on what the data can support."""
    genuine, impostors = evaluation.verification.genuine, evaluation.verification.impostors
    sentences = [
        "Verification decides whether two samples show the same subject, not which class they belong to, so the "
        "subjects may be unseen in training."
    ]
    if genuine and impostors:
        sentences.append(
            f"With {impostors:,} impostor pairs the lowest false accept rate that can be counted is "
            f"{number(1 / impostors, 2)}; with {genuine:,} genuine pairs the true accept rate changes in steps of "
            f"{number(100 / genuine, 2)} %. A figure that needs more pairs is n/a, with the reason."
        )
    if details is not None:
        sentences.append(
            f"Individual errors are counted at a score of {threshold_text(details.threshold)}, the threshold for a "
            f"false accept rate of {details.threshold_far:g}."
        )
    sentences += [f"Note that {warning}." for warning in evaluation.warnings()]
    return sentences


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
    shown = [figure for figure in evaluation.figures() if figure.headline and figure.value is not None]
    return numbers + [(figure.name, figure.value_text) for figure in shown]


def _curves(out: Path, details: VerificationDetails) -> list[Section]:
    band = "" if details.band is None else f" The band is the {100 * details.confidence:g} % interval."
    return [
        single_section(
            out,
            "roc",
            "ROC",
            "Share of genuine pairs accepted against share of impostor pairs accepted, as the threshold falls: "
            f"higher is better, most of all at the left.{band}",
            roc_figure(details),
        ),
        single_section(
            out,
            "det",
            "DET",
            "Both error rates against each other, on axes where normally distributed scores give a straight line: "
            "closer to the lower left is better. On the dotted line both rates are equal.",
            det_figure(details),
        ),
    ]


def _scores(out: Path, details: VerificationDetails) -> Section:
    return section(
        out,
        "scores",
        "Scores",
        "Where the two distributions overlap, errors occur: genuine pairs left of the dashed line are rejected, "
        "impostor pairs right of it accepted. The logarithmic panel shows how many there are.",
        lambda n: score_figure(details, columns=n),
        columns=2,
    )


def _identification(out: Path, evaluation: Evaluation) -> Section | None:
    identification = evaluation.identification
    if identification is None:
        return None
    text = "Share of probes whose own subject is among the first of the gallery."
    if identification.open_set:
        text += (
            " In the open set, probes of unenrolled subjects should raise no alarm: the share still found first, above "
            "the threshold at which this share of unenrolled probes raises one."
        )
    return section(out, "cmc", "Identification", text, lambda n: cmc_figure(identification, columns=n), columns=2)


def _hard_pairs(out: Path, details: VerificationDetails, images: Images, names: Sequence[str] | None) -> Section | None:
    if len(details.hard_genuine) + len(details.hard_impostors) == 0:
        return None
    return section(
        out,
        "hard-pairs",
        "Hardest pairs",
        "Genuine pairs with the lowest scores and impostor pairs with the highest. Look here first for wrong labels "
        "and for empty images.",
        lambda n: hard_pairs_figure(details, images, names, columns=n),
        columns=6,
    )


def _subjects(out: Path, details: VerificationDetails, names: SubjectNames | None) -> Section:
    return section(
        out,
        "subjects",
        "Subjects",
        "Share of each subject's own pairs that are rejected, and of its pairs with others that are accepted. A steep "
        "curve means that few subjects cause most errors.",
        lambda n: subject_figure(details, names, columns=n),
        columns=2,
    )


def _worst_lists(details: VerificationDetails, names: SubjectNames | None) -> list[WorstList]:
    """The worst subjects by each kind of errors; a kind without errors is left out."""
    names_shown = names_of_subjects(details, names)
    rejects, accepts = details.false_rejects, details.false_accepts
    lists = []
    for heading, shares in (("Most false rejects", rejects), ("Most false accepts", accepts)):
        places = worst(shares, WORST)
        rows = tuple(
            (names_shown[place], _share(rejects[place].item()), _share(accepts[place].item())) for place in places
        )
        if rows:
            lists.append(WorstList(heading, rows))
    return lists


def _share(value: float) -> str:
    """A share as a percentage with three digits: a subject's false accepts are few among very many pairs."""
    return number(100 * value) + " %" if value == value else number(value)
