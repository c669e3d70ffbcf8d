"""The figures of an evaluation in groups, each under a note of what it rests on."""

from dataclasses import dataclass

from ...evaluation import Evaluation, Figure, Identification, Retrieval, Verification, VerificationIntervals

HEADINGS = {
    "verification": "Verification",
    "identification": "Identification",
    "retrieval": "Retrieval",
    "geometry": "Geometry",
}

Interval = tuple[float, float]


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
    """Lines that belong together, under a heading and a note of what they rest on."""

    heading: str
    note: str
    lines: tuple[Line, ...]


def figure_groups(evaluation: Evaluation) -> list[Group]:
    """All figures of an evaluation; what was not asked for is left out."""
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


def _note_identification(found: Identification) -> str:
    note = (
        f"{found.subjects:,} subjects in the gallery, {found.mated:,} probes with a mate there and "
        f"{found.non_mated:,} without"
    )
    return note + _resampled(found.confidence, found.rank_1_interval, *(at.interval for at in found.open_set))


def _note_retrieval(found: Retrieval) -> str:
    note = f"{found.queries:,} queries of {found.classes:,} subjects"
    return note + _resampled(found.confidence, found.recall_interval)


def _resampled(confidence: float, *intervals: Interval | None) -> str:
    """What the intervals are, where there are any."""
    if all(interval is None for interval in intervals):
        return ""
    return f"; {100 * confidence:g} % intervals from resamples of subjects"
