"""TensorBoard reads the event files that a run writes, and drops what a resumed run wrote before."""

import pytest

from cones.common.atomic_files import WriteError
from cones.training._board import Board


def test_events_are_read_back(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    first = Board(tmp_path / "events", 0)
    for step in (1, 2, 3):
        first.write(step, {"train/loss": step / 4, "train/accuracy": 0.5})
    first.close()
    again = Board(tmp_path / "events", 2)  # from the checkpoint at step 2
    again.write(3, {"train/loss": 8.0})
    again.close()
    events = EventAccumulator(str(tmp_path / "events")).Reload()
    assert [(event.step, event.value) for event in events.Scalars("train/loss")] == [(1, 0.25), (2, 0.5), (3, 8.0)]
    assert [event.step for event in events.Scalars("train/accuracy")] == [1, 2]


def test_a_place_that_takes_no_file_is_said(tmp_path):
    (tmp_path / "events").write_text("mine")
    with pytest.raises(WriteError, match=r"cannot write .*events.out.tfevents.* \(File exists\): write to another"):
        Board(tmp_path / "events", 0)
