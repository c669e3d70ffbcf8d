"""Result of an open-set evaluation, which shows itself as a table."""

import html
from collections.abc import Sequence
from dataclasses import dataclass

from ._table import table
from .embedding_space import Geometry
from .figure import Figure
from .search import Identification, Retrieval
from .verification import FoldAccuracy, Verification, VerificationDetails, VerificationIntervals

HEADINGS = ("task", "figure", "value", "interval", "threshold", "note")


@dataclass(frozen=True, eq=False, repr=False)
class Evaluation:
    """Result of `evaluate` and `evaluate_pairs`; print it for a table.

    Attributes:
        samples: N, rows that were evaluated; 0 where pairs alone are known.
        subjects: S, without the unknown; 0 where they are not known.
        verification: of all pairs.
        intervals: of its figures; None without.
        details: curve, errors by subject and hardest pairs; None where the figures are refused.
        confidence: of all intervals.
        identification: None where no subject has two samples, or pairs alone are known.
        retrieval: as identification.
        geometry: as identification.
        folds: accuracy by folds; None where the pairs have none.
        unknown: rows whose subject is not known, with the label -1.
        zero_rows: rows that are 0, whose cosine is 0 with everything; 0 for the distance.
        subject_names: by label, where the labels were text.
    """

    samples: int
    subjects: int
    verification: Verification
    intervals: VerificationIntervals | None
    details: VerificationDetails | None
    confidence: float
    identification: Identification | None = None
    retrieval: Retrieval | None = None
    geometry: Geometry | None = None
    folds: FoldAccuracy | None = None
    unknown: int = 0
    zero_rows: int = 0
    subject_names: tuple[str, ...] | None = None

    @property
    def pairs(self) -> int:
        """Genuine and impostor pairs."""
        return self.verification.genuine + self.verification.impostors

    def figures(self) -> list[Figure]:
        """Every figure, in the order of tasks."""
        others = (self.folds, self.identification, self.retrieval, self.geometry)
        figures = self.verification.as_figures(self.intervals)
        return figures + [figure for part in others if part is not None for figure in part.as_figures()]

    def summary(self) -> str:
        """Samples, subjects and pairs, with the warnings, in a line."""
        v = self.verification
        pairs = f"{v.genuine:,} genuine and {v.impostors:,} impostor pairs"
        rows = f"{self.samples:,} samples of {self.subjects:,} subjects" if self.samples else ""
        if self.samples and self.unknown:
            rows += f" and {self.unknown:,} of unknown subjects"
        return "; ".join([f"{rows}: {pairs}" if rows else pairs, *self.warnings()])

    def warnings(self) -> list[str]:
        """Remarks on data that are legal but rarely wanted."""
        if self.zero_rows == 0:
            return []
        return [f"{self.zero_rows:,} embeddings are 0, and their cosine is 0 with everything"]

    def __str__(self) -> str:
        interval = f"{100 * self.confidence:g} % interval"
        lines: list[Sequence[str]] = [("", "figure", "value", interval, "threshold", "")]
        lines += [_cells(figure) for figure in self.figures()]
        return f"{self.summary()}\n\n{table(lines)}"

    def __repr__(self) -> str:
        shown = ", ".join(f"{figure.name} {figure.value_text}" for figure in self.figures()[:3])
        data = f"{self.samples:,} samples of {self.subjects:,} subjects" if self.samples else f"{self.pairs:,} pairs"
        return f"Evaluation({data}: {shown}, ...)"

    def _repr_html_(self) -> str:
        """The table, as a notebook shows it."""
        head = "".join(f"<th>{heading}</th>" for heading in HEADINGS)
        cell = "<td style='text-align: left'>{}</td>".format
        lines = ("".join(cell(html.escape(text)) for text in _cells(figure)) for figure in self.figures())
        rows = "".join(f"<tr>{line}</tr>" for line in lines)
        return f"<p>{html.escape(self.summary())}</p><table><tr>{head}</tr>{rows}</table>"


def _cells(figure: Figure) -> tuple[str, ...]:
    return (
        figure.task,
        figure.name,
        figure.value_text,
        figure.interval_text,
        figure.threshold_text,
        figure.note,
    )
