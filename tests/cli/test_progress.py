"""Progress display, and closed output."""

import pytest

from cones.cli.progress import TrainingDisplay

TRAIN = {
    "kind": "train", "epoch": 0.5, "step": 40, "loss": 1.0, "accuracy": 0.5, "target_cosine": 0.1,
    "images_per_second": 900.0,
}  # fmt: skip


def test_a_line_now_and_then_within_an_epoch(capsys):
    with TrainingDisplay(3, every=0.0) as display:
        display.show("run", TRAIN)
        display.show("run", {"kind": "test", "epoch": 1, "step": 80, "accuracy": 0.75})
    with TrainingDisplay(3, every=1e9) as display:
        display.show("run", TRAIN)
    assert capsys.readouterr().err.splitlines() == [
        "run: epoch 1/3, step 40  loss 1.000  batch acc 50.0%  cos 0.100  900 images/s",
        "run: epoch 1/3  loss 1.000  batch acc 50.0%  cos 0.100  900 images/s  test acc 75.0%",
    ]


def test_the_line_of_an_epoch_ends_with_its_validation(capsys):
    validation = {"kind": "validation", "epoch": 1, "step": 80, "tar": None, "eer": 0.25, "rank_1": 0.5}
    with TrainingDisplay(3, every=1e9) as display:
        display.show("run", validation)
        display.show("run", {"kind": "test", "epoch": 1, "step": 80})
        display.show("run", {"kind": "test", "epoch": 2, "step": 160, "accuracy": 0.75})
    assert capsys.readouterr().err.splitlines() == [
        "run: epoch 1/3  val EER 25.0%  rank 1 50.0%",
        "run: epoch 2/3  test acc 75.0%",
    ]


@pytest.mark.parametrize("error", [BrokenPipeError(32, "Broken pipe"), OSError(5, "Input/output error")])
def test_a_reader_that_leaves_does_not_end_the_run(monkeypatch, error):
    class Gone:
        encoding = "utf-8"

        def write(self, text):
            raise error

        def flush(self):
            raise error

        def isatty(self):
            return False

    monkeypatch.setattr("sys.stderr", Gone())
    with TrainingDisplay(3, every=0.0) as display:
        display.show("run", TRAIN)
        display.show("run", TRAIN)
