"""Report of an evaluation and its figures: contents, omissions and the reasons shown for them."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle, StepPatch
from torch import Tensor

from cones.evaluation import (
    Evaluation,
    Identification,
    OpenSet,
    VerificationDetails,
    evaluate,
    evaluate_pairs,
    gallery_probe_split,
    geometry,
    identification,
    retrieval,
    verification,
    verification_intervals,
)
from cones.plots import (
    cmc_figure,
    det_figure,
    hard_pairs_figure,
    roc_figure,
    save,
    score_figure,
    subject_figure,
    write_evaluation_report,
)
from tests.narrowing import instance_of, not_none
from tests.plots.pairs import details_of, embeddings, evaluation_of

FAR = (0.01, 1e-6)


@pytest.fixture(scope="module")
def people() -> tuple[Tensor, Tensor]:
    return embeddings(subjects=12, samples=5)


@pytest.fixture(scope="module")
def details(people: tuple[Tensor, Tensor]) -> VerificationDetails:
    return details_of(*people)


@pytest.fixture(scope="module")
def evaluation(people: tuple[Tensor, Tensor]) -> Evaluation:
    features, labels = people
    first, second = torch.triu_indices(len(labels), len(labels), 1)
    scores, same = (features @ features.T)[first, second], labels[first] == labels[second]
    split = gallery_probe_split(labels)
    return evaluation_of(
        samples=len(labels),
        subjects=12,
        verification=verification(scores, same, far=FAR),
        intervals=verification_intervals(scores, same, far=FAR, resamples=20),
        identification=identification(
            features[split.gallery],
            labels[split.gallery],
            features[split.probes],
            labels[split.probes],
            far=(0.1, 0.001),
            resamples=20,
        ),
        retrieval=retrieval(features, labels, resamples=20),
        geometry=geometry(features, labels),
    )


def images(rows: int, channels: int = 1) -> Tensor:
    return torch.randint(0, 256, (rows, channels, 8, 6), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def xy(line: Line2D) -> tuple[np.ndarray, np.ndarray]:
    """The points of a line."""
    return np.asarray(line.get_xdata()), np.asarray(line.get_ydata())


def marks(axes: Axes) -> list[tuple[float, float]]:
    """Positions of single dots and arrows."""
    return [(x[0], y[0]) for x, y in map(xy, axes.lines) if len(x) == 1]


def words(figure: Figure) -> str:
    return " ".join(text.get_text() for axes in figure.axes for text in axes.texts)


def legend(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.legends[0].get_texts()]


def test_roc_begins_at_the_smallest_rate_above_0_on_a_logarithmic_axis(details: VerificationDetails) -> None:
    axes = roc_figure(details).axes[0]
    smallest = details.far[details.far > 0].min().item()
    assert axes.get_xscale() == "log"
    assert axes.get_xlim() == pytest.approx((smallest, 1))
    assert min(xy(axes.lines[0])[0]) == pytest.approx(smallest)


def test_roc_marks_the_threshold_and_draws_the_band(details: VerificationDetails) -> None:
    figure = roc_figure(details)
    ((far, tar),) = marks(figure.axes[0])
    assert (far, tar) == (details.reached_far, details.reached_tar)
    assert legend(figure)[1] == "95 % interval"
    assert len(figure.axes[0].collections) == 1
    assert len(roc_figure(replace(details, band=None)).axes[0].collections) == 0


def test_threshold_without_false_accepts_is_an_arrow_at_the_edge(details: VerificationDetails) -> None:
    axes = roc_figure(replace(details, threshold=0.99, threshold_far=1e-9, reached_far=0.0)).axes[0]
    ((far, _),) = marks(axes)
    assert far == axes.get_xlim()[0]
    assert axes.lines[1].get_marker() == "<"


def test_perfect_separation_is_drawn(tmp_path: Path) -> None:
    labels = torch.arange(6).repeat_interleave(3)
    perfect = details_of(torch.eye(6)[labels], labels)
    save(roc_figure(perfect), tmp_path / "roc")
    figure = det_figure(perfect)
    save(figure, tmp_path / "det")
    axes = figure.axes[0]
    assert marks(axes) == [(axes.get_xlim()[0], axes.get_ylim()[0])]
    assert legend(figure) == ["EER 0.00 %"]


def test_det_marks_where_both_errors_are_equal(details: VerificationDetails, evaluation: Evaluation) -> None:
    figure = det_figure(details)
    ((far, frr),) = marks(figure.axes[0])
    assert far == frr == pytest.approx(evaluation.verification.eer, abs=1e-6)
    x, y = xy(figure.axes[0].lines[0])
    assert list(x) == list(y)


def test_det_is_straight_for_normal_scores() -> None:
    deviates = torch.linspace(-3, 3, 201, dtype=torch.float64)
    far, tar = torch.special.ndtr(deviates), torch.special.ndtr(deviates + 2)
    ends = torch.tensor([0.0, 1.0], dtype=torch.float64)
    normal = replace(
        details_of(*embeddings(4, 4), far=0.1),
        far=torch.cat([ends[:1], far, ends[1:]]),
        tar=torch.cat([ends[:1], tar, ends[1:]]),
        eer=torch.special.ndtr(torch.tensor(-1.0)).item(),
    )
    axes = det_figure(normal).axes[0]
    x, y = axes.transData.transform(axes.lines[1].get_xydata()).T
    slope = (y[-1] - y[0]) / (x[-1] - x[0])
    assert y == pytest.approx(y[0] + slope * (x - x[0]), abs=0.1)
    ((far_mark, _),) = marks(axes)
    assert far_mark == pytest.approx(torch.special.ndtr(torch.tensor(-1.0)).item(), rel=0.01)


def test_ticks_of_det_are_percentages_that_do_not_run_into_each_other(details: VerificationDetails) -> None:
    figure = det_figure(replace(details, far=details.far * torch.where(details.far < 1, 1e-4, 1.0).double()))
    figure.canvas.draw()
    boxes = [label.get_window_extent() for label in figure.axes[0].get_xticklabels()]
    assert len(boxes) > 3
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])


def test_several_curves_have_their_names(details: VerificationDetails) -> None:
    other = details_of(*embeddings(12, 5, noise=1.5))
    both = {"ArcFace": details, "cost $5": other}
    assert legend(roc_figure(both)) == ["ArcFace", r"cost \$5"]
    assert [name.split(":")[0] for name in legend(det_figure(both))] == ["ArcFace", r"cost \$5"]


def test_scores_are_densities_and_numbers(details: VerificationDetails) -> None:
    figure = score_figure(details)
    left, right = figure.axes
    for patch in left.patches:
        values, edges, _ = instance_of(StepPatch, patch).get_data()
        assert (values * (edges[1:] - edges[:-1])).sum() == pytest.approx(1)
    assert right.get_yscale() == "log"
    assert instance_of(StepPatch, right.patches[0]).get_data()[0].sum() == 120
    assert legend(figure)[:2] == ["120 genuine pairs", "1,650 impostor pairs"]
    assert {xy(line)[0][0] for axes in figure.axes for line in axes.lines} == {details.threshold}


def test_equal_scores_are_drawn() -> None:
    equal = evaluate_pairs(torch.full((40,), 0.5), torch.arange(40) % 2 == 0, resamples=0)
    for panel in score_figure(not_none(equal.details)).axes:
        low, high = panel.get_xlim()
        assert low < 0.5 < high


def test_threshold_that_accepts_nothing_is_not_drawn(details: VerificationDetails, tmp_path: Path) -> None:
    figure = score_figure(replace(details, threshold=float("inf")), columns=1)
    assert not any(axes.lines for axes in figure.axes)
    save(figure, tmp_path / "scores")


def test_cmc_says_what_is_refused(evaluation: Evaluation, tmp_path: Path) -> None:
    found = evaluation.identification
    assert found is not None
    figure = cmc_figure(found)
    closed, opened = figure.axes
    assert list(xy(closed.lines[0])[1]) == list(found.cmc or ())
    assert opened.get_xscale() == "log"
    assert list(xy(opened.lines[0])[0]) == [0.1]
    assert "n/a: FAR 0.001 is below" in opened.get_xlabel()
    save(figure, tmp_path / "cmc")
    nobody = Identification(
        None, None, (OpenSet(0.1, reason="no mates"), OpenSet(0.2, reason="no mates")), 3, 0, 4, 0.9
    )
    assert words(cmc_figure(nobody)) == "n/a: no probe has a mate in the gallery n/a: no mates"
    assert len(cmc_figure(replace(found, open_set=())).axes) == 1


@pytest.mark.parametrize("channels", [1, 3])
def test_hard_pairs_show_the_images_and_their_scores(channels: int, details: VerificationDetails) -> None:
    pictures = images(60, channels)
    figure = hard_pairs_figure(details, pictures, [f"image {row}" for row in range(60)])
    shown = [axes for axes in figure.axes if axes.images]
    assert len(shown) == 24
    row = int(details.hard_genuine[0, 0])
    expected = pictures[row].expand(3, -1, -1).permute(1, 2, 0)
    assert torch.equal(torch.as_tensor(shown[0].images[0].get_array()), expected)
    assert shown[0].texts[0].get_text() == f"image {row}"
    assert "rejected" in shown[0].get_title()
    assert "accepted" in shown[12].get_title()


def test_hard_pairs_of_one_kind_and_images_of_several_sizes(details: VerificationDetails, tmp_path: Path) -> None:
    one = replace(
        details, hard_impostors=details.hard_impostors[:0], hard_impostor_scores=details.hard_impostor_scores[:0]
    )
    many = {row: torch.zeros(1 + 2 * (row % 2), 5 + row % 7, 9, dtype=torch.uint8) for row in range(60)}
    save(hard_pairs_figure(one, many, columns=3), tmp_path / "pairs")


def test_worst_subjects_come_first_with_their_names(details: VerificationDetails) -> None:
    shares = torch.tensor([0.0, 0.5, float("nan"), 0.25, 0.5, *[0.0] * 7], dtype=torch.float64)
    figure = subject_figure(
        replace(details, false_rejects=shares, false_accepts=0 * shares), [f"person {j}" for j in range(12)]
    )
    bars, nobody, curve, _ = figure.axes
    assert [label.get_text() for label in bars.get_yticklabels()] == ["person 1", "person 4", "person 3"]
    assert [instance_of(Rectangle, bar).get_width() for bar in bars.patches] == [0.5, 0.5, 0.25]
    assert [text.get_text() for text in nobody.texts] == ["no subject has any"]
    assert curve.get_title(loc="left").startswith("8 of 11 subjects without\nmean 11.4 %")


@pytest.mark.parametrize("count", [1, 10, 10_000])
def test_any_number_of_subjects(count: int, details: VerificationDetails, tmp_path: Path) -> None:
    generator = torch.Generator().manual_seed(0)
    shares = torch.rand(count, dtype=torch.float64, generator=generator) ** 4
    nobody = torch.full_like(shares, float("nan"))
    crowd = replace(
        details,
        subjects=torch.arange(count),
        false_rejects=shares,
        false_accepts=shares / 100 if count > 1 else nobody,
    )
    figure = subject_figure(crowd, columns=1 + count % 2)
    assert len(figure.axes[0].patches) == min(count, 20)
    svg, _ = save(figure, tmp_path / "subjects")
    assert svg.stat().st_size < 2_000_000


def test_report_holds_figures_intervals_and_reasons(
    details: VerificationDetails, evaluation: Evaluation, tmp_path: Path
) -> None:
    path = write_evaluation_report(
        tmp_path / "new", title="A & B", evaluation=evaluation, details=details, images=images(60)
    )
    assert path == tmp_path / "new" / "report.html"
    text = path.read_text(encoding="utf-8")
    assert "<title>A &amp; B</title>" in text
    verified, found = evaluation.verification, evaluation.identification
    assert found is not None
    for reason in (verified.refused["tar@1e-06"], found.open_set[1].reason):
        assert f'colspan="2">{reason}<' in text
    assert f"{100 * not_none(verified.eer):.2f} %" in text
    low, high = not_none(not_none(evaluation.intervals).eer)
    assert f"{100 * low:.2f} – {100 * high:.2f} %" in text
    assert "1,650 impostor pairs" in text
    for heading in ("ROC", "DET", "Scores", "Identification", "Hardest pairs", "Subjects"):
        assert f"<h2>{heading}</h2>" in text
    drawn = {"roc", "det", *(f"{n}{w}" for n in ("scores", "cmc", "hard-pairs", "subjects") for w in ("", "-narrow"))}
    assert {file.name for file in (tmp_path / "new" / "figures").iterdir()} == {
        f"{name}.{suffix}" for name in drawn for suffix in ("svg", "png")
    }
    assert not re.search(r"https?://(?!www\.w3\.org)", re.sub(r"data:image[^\"]*", "", text))


def test_legends_say_what_the_table_says(people: tuple[Tensor, Tensor]) -> None:
    found = evaluate(*people, far=FAR, resamples=0)
    assert found.details is not None
    table = {figure.name: figure for figure in found.figures()}
    assert legend(det_figure(found.details)) == [f"EER {table['EER'].value_text}"]
    at = table["TAR at FAR 0.01"]
    reached = found.verification.tar[0].reached
    expected = f"threshold {at.threshold_text}: TAR {at.value_text} at FAR {reached:.3g}"
    assert expected in legend(roc_figure(found.details))
    assert f"threshold {at.threshold_text}, FAR 0.01" in legend(score_figure(found.details))


def test_what_is_not_given_is_left_out(details: VerificationDetails, evaluation: Evaluation, tmp_path: Path) -> None:
    bare = replace(evaluation, intervals=None, identification=None, retrieval=None, geometry=None)
    text = write_evaluation_report(tmp_path, title="T", evaluation=bare, details=details).read_text(encoding="utf-8")
    for absent in ("Hardest pairs", "Identification", "Retrieval", "Geometry"):
        assert absent not in text


def test_names_are_escaped(details: VerificationDetails, evaluation: Evaluation, tmp_path: Path) -> None:
    names = {label: f"<b>{label}</b> $x^$" for label in range(12)}
    text = write_evaluation_report(
        tmp_path, title="<script>", evaluation=evaluation, details=details, subject_names=names
    ).read_text(encoding="utf-8")
    assert "<script>" not in text
    assert "<b>" not in text
    assert "&lt;b&gt;" in text


def test_one_subject_alone_still_makes_a_page(tmp_path: Path) -> None:
    both = details_of(*embeddings(2, 6), far=0.1)
    nothing = torch.tensor([float("nan")], dtype=torch.float64)
    alone = replace(
        both,
        impostors=0 * both.impostors,
        subjects=torch.tensor([0]),
        false_rejects=torch.tensor([0.5], dtype=torch.float64),
        false_accepts=nothing,
        hard_impostors=both.hard_impostors[:0],
        hard_impostor_scores=both.hard_impostor_scores[:0],
    )
    refused = verification(torch.rand(15), torch.ones(15, dtype=torch.bool), far=(0.01,))
    evaluated = evaluation_of(6, 1, refused)
    text = write_evaluation_report(
        tmp_path, title="T", evaluation=evaluated, details=alone, images=images(12), subject_names=["me"]
    ).read_text(encoding="utf-8")
    assert text.count("0 impostor pairs are too few, at least 10 are needed") == 4
    assert "it needs both kinds" in text
    assert re.search(r'<th scope="row">me</th><td>50.0 %</td><td>–</td>', text)
    assert "Most false accepts" not in text


def test_reports_are_the_same_every_time(details: VerificationDetails, evaluation: Evaluation, tmp_path: Path) -> None:
    first, second = (
        write_evaluation_report(tmp_path / name, title="T", evaluation=evaluation, details=details).read_bytes()
        for name in ("a", "b")
    )
    assert first == second


def test_errors_name_the_argument(details: VerificationDetails) -> None:
    with pytest.raises(ValueError, match="details is empty"):
        roc_figure({})
    with pytest.raises(ValueError, match="details of 'a' has 120 genuine and 0 impostor pairs, expected both kinds"):
        det_figure({"a": replace(details, impostors=0 * details.impostors)})
    with pytest.raises(ValueError, match="details has no pairs in its bins"):
        score_figure(replace(details, impostors=0 * details.impostors, genuine=0 * details.genuine))
    with pytest.raises(ValueError, match=r"images has none at row \d+, which details names"):
        hard_pairs_figure(details, images(3))
    with pytest.raises(ValueError, match=r"images\[\d+\] is torch.float32 of shape \(1, 8, 6\), expected uint8"):
        hard_pairs_figure(details, images(60).float())
    with pytest.raises(ValueError, match=r"images\[\d+\] is torch.uint8 of shape \(4, 8, 6\)"):
        hard_pairs_figure(details, images(60, channels=4))
    with pytest.raises(ValueError, match=r"names has 1 entries, but details names row \d+"):
        hard_pairs_figure(details, images(60), ["a"])
    with pytest.raises(ValueError, match="columns is 0"):
        hard_pairs_figure(details, images(60), columns=0)
    with pytest.raises(ValueError, match="subject names has 3 entries and none for label 3"):
        subject_figure(details, ["a", "b", "c"])
    with pytest.raises(ValueError, match="details has no subjects"):
        subject_figure(replace(details, subjects=details.subjects[:0]))
