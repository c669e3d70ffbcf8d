"""Lines and bars of a comparison, with a given clock."""

import io

import pytest

from cones.cli.comparison_progress import ComparisonDisplay, in_words, time_left
from cones.cli.terminal import Console


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def display(runs=3, epochs=4, jobs=2, terminal=False, **options):
    clock, out = Clock(), io.StringIO()
    console = Console(file=out, width=120, force_terminal=terminal, highlight=False, emoji=False)
    return ComparisonDisplay(runs, epochs, jobs, clock=clock, console=console, **options), clock, out


def train(epoch, loss=1.0):
    return {"kind": "train", "epoch": epoch, "loss": loss}


@pytest.mark.parametrize(
    ("epochs", "jobs", "expected"), [([4], 1, 40), ([1, 2, 4], 2, 50), ([4, 4, 4, 4], 2, 80), ([], 2, 0)]
)
def test_time_left_fills_the_jobs_in_order(epochs, jobs, expected):
    assert time_left(epochs, jobs, 10.0) == expected


def test_words_round_up():
    assert [in_words(seconds) for seconds in (0.2, 59.5, 61, 3600)] == ["1 s", "1 min 0 s", "1 min 1 s", "1 h 0 min"]


def test_the_time_left_is_told_within_the_first_epoch_and_with_each():
    shown, clock, out = display()
    with shown:
        for clock.now, name, epoch in ((0.0, "a", 0.1), (0.0, "b", 0.1), (1.0, "a", 0.2), (1.0, "b", 0.2)):
            shown.show(name, train(epoch))
        # 10 s an epoch: the third, 40 s, follows a, which has 3.8 epochs to go
        first = "starting 2 processes: 3 runs of 4 epochs"
        assert out.getvalue().splitlines() == [first, "a: epoch 1/4  loss 1.000  about 1 min 18 s left"]
        clock.now = 9.0
        shown.show("a", train(1.0, loss=0.5))
        shown.show("a", {"kind": "test", "epoch": 1, "accuracy": 0.75})
    assert out.getvalue().splitlines()[2].startswith("a: epoch 1/4  loss 0.500  test acc 75.0%  about 1 min ")


def test_without_an_epochs_end_a_line_comes_all_the_same():
    shown, clock, out = display(epochs=1000)
    for clock.now in range(100):
        shown.show("a", train(clock.now / 1000))
    assert len(out.getvalue().splitlines()) == 4  # at 1, 31, 61 and 91 s


def test_runs_that_were_trained_before_take_no_time():
    shown, clock, out = display(runs=3, jobs=1)
    for name in ("a", "b"):
        shown.show(name, {"kind": "end", "epoch": 4, "accuracy": 0.9})
    shown.show("c", train(3.0))  # resumed
    clock.now = 5.0
    shown.show("c", train(3.5))
    assert out.getvalue() == "c: epoch 4/4  loss 1.000  about 5 s left\n"


def test_the_first_metrics_give_an_estimate_by_their_speed():
    shown, _, out = display(runs=2, jobs=1, threads=1, batch_size=32)
    with shown:
        # step 10 at a tenth of an epoch: 100 steps of 32 images, at 320 images/s
        shown.show("a", {**train(0.1), "step": 10, "images_per_second": 320.0})
    lines = ["starting 2 runs of 4 epochs, one at a time", "a: epoch 1/4  loss 1.000  about 1 min 19 s left"]
    assert out.getvalue().splitlines() == lines


def test_an_epoch_without_metrics_of_steps_has_its_time_left():
    shown, clock, out = display(runs=1, jobs=1)
    clock.now = 5.0
    shown.show("a", {"kind": "test", "epoch": 1, "accuracy": 0.5})
    assert out.getvalue() == "a: epoch 1/4  test acc 50.0%  about 15 s left\n"


def test_the_time_left_counts_the_drawing_of_figures():
    shown, clock, out = display(runs=2, jobs=1, drawing=4.0)
    shown.show("a", train(3.0))
    clock.now = 1.0
    shown.show("a", train(4.0))  # then 4 epochs of b, the reports of a and b and that of the comparison
    shown.drew_one_in(10.0)
    shown.show("a", {"kind": "test", "epoch": 4})
    first, second = out.getvalue().splitlines()
    assert first.endswith("about 16 s left")
    assert second.endswith("about 24 s left")


def test_drawing_is_told_with_its_time_left():
    shown, clock, out = display(runs=2, jobs=1, drawing=4.0)
    assert not shown.drawn
    shown.show_drawing(0, 3)
    clock.now = 6.0
    shown.show_drawing(1, 3)
    clock.now = 7.0
    shown.show_drawing(2, 3)
    shown.show_drawing(3, 3)
    assert out.getvalue().splitlines() == [
        "drawing figures ...  0 of 3 reports  about 12 s left",
        "drawing figures ...  1 of 3 reports  about 12 s left",
    ]
    assert shown.drawn


def test_a_failure_is_told_by_its_name():
    shown, _, out = display()
    shown.show("a", train(0.5))
    shown.show("a", {"kind": "error", "error": "the loss is nan at step 7"})
    assert "a: epoch 1/4  loss 1.000  failed: the loss is nan at step 7" in out.getvalue()


def test_a_terminal_shows_a_bar_for_each_and_one_for_all():
    shown, clock, out = display(terminal=True)
    with shown:
        shown.show("a", train(0.5))
        shown.show("b", train(0.5))
        clock.now = 10.0
        shown.show("a", train(1.5))
        shown.show("b", {"kind": "end", "epoch": 4, "accuracy": 0.9})
    last = out.getvalue()[-1200:]
    for text in ("3 losses", "1 trained", "left", "a  ", "b  ", "test acc 90.0%"):
        assert text in last
