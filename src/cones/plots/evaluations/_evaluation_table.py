"""The figures of an evaluation in groups, each under a note of its data."""

from dataclasses import dataclass

from ...evaluation import Evaluation, Figure, Identification, Retrieval, Verification, VerificationIntervals
from ...evaluation.figure import Interval

HEADINGS = {
    "verification": "Verification",
    "identification": "Identification",
    "retrieval": "Retrieval",
    "geometry": "Geometry",
}


@dataclass(frozen=True)
class Line:
    """A line of the table; a figure that is refused has a reason in place of its interval and threshold."""

    name: str
    value: str
    interval: str = ""
    threshold: str = ""
    note: str = ""
    reason: str = ""


@dataclass(frozen=True)
class Group:
    """Lines of one task, under a heading and a note of its data."""

    heading: str
    note: str
    lines: tuple[Line, ...]


def figure_groups(evaluation: Evaluation) -> list[Group]:
    """All figures of an evaluation; tasks without a result are left out."""
    notes = {"verification": _note_verification(evaluation.verification, evaluation.intervals)}
    if evaluation.identification is not None:
        notes["identification"] = _note_identification(evaluation.identification)
    if evaluation.retrieval is not None:
        notes["retrieval"] = _note_retrieval(evaluation.retrieval)
    if evaluation.geometry is not None:
        notes["geometry"] = "angles to, and between, the mean directions of the subjects"
    figures = evaluation.figures()
    return [
        Group(HEADINGS[task], note, tuple(_line(figure) for figure in figures if figure.task == task))
        for task, note in notes.items()
    ]


def _line(figure: Figure) -> Line:
    if figure.value is None:
        return Line(figure.name, figure.value_text, reason=figure.note)
    return Line(figure.name, figure.value_text, figure.interval_text, figure.threshold_text, figure.note)


def _note_verification(verification: Verification, intervals: VerificationIntervals | None) -> str:
    note = f"{verification.genuine:,} genuine and {verification.impostors:,} impostor pairs"
    if intervals is None or intervals.resamples == 0:
        return note
    draws = f"{intervals.resamples:,} resamples of {intervals.resampled}"
    return f"{note}; {100 * intervals.confidence:g} % intervals from {draws}"


def _note_identification(identification: Identification) -> str:
    note = (
        f"{identification.subjects:,} subjects in the gallery, {identification.mated:,} probes with a mate there and "
        f"{identification.non_mated:,} without"
    )
    return note + _resampled(
        identification.confidence, identification.rank_1_interval, *(at.interval for at in identification.open_set)
    )


def _note_retrieval(retrieval: Retrieval) -> str:
    note = f"{retrieval.queries:,} queries of {retrieval.classes:,} subjects"
    return note + _resampled(retrieval.confidence, retrieval.recall_interval)


def _resampled(confidence: float, *intervals: Interval | None) -> str:
    """A sentence on the intervals, if there are any."""
    if all(interval is None for interval in intervals):
        return ""
    return f"; {100 * confidence:g} % intervals from resamples of subjects"
