"""Checkpoints of many ranks: saved on P, loaded on Q, bit by bit; broken ones are recognised."""

import json
import os
import pickle
import random
import shutil
import warnings
from contextlib import nullcontext
from dataclasses import replace
from itertools import product
from unittest.mock import patch

import pytest
import torch
import torch.distributed as dist

import cones.training._storage as storage
from cones.embedding import load_backbone
from cones.training import CheckpointError, fit
from cones.training.checkpoint import load_checkpoint, load_weights, save_checkpoint
from cones.training.shared_checkpoint import BackgroundSave, load_shared, save_shared, save_shared_weights
from cones.training.stored_checkpoint import with_checksum
from tests.training.shared_run import NAMES, POSITION, assert_filled, parts, values
from tests.world import in_world


def save_and_load(rank, world, folder, pairs):
    """For each (P, Q, how P runs, how Q runs): the first P ranks save, the first Q load."""
    groups = [dist.new_group(range(size)) for size in range(1, world + 1)]
    for place, (savers, loaders, before, after) in enumerate(pairs):
        run, group = folder / str(place), groups[savers - 1]
        if rank < savers:
            save_shared(run, *parts(group, filled=True, **before), POSITION, group, classes=NAMES)
        dist.barrier()
        group = groups[loaders - 1]
        if rank < loaders:
            empty = parts(group, **after)
            assert load_shared(run, *empty, group, classes=NAMES) == POSITION
            assert_filled(empty, group=group, **after)
        if rank == 0:
            kind = after.get("optimizer", "adamw")
            assert sorted(path.name for path in run.iterdir()) == ["last"]
            empty = parts(optimizer=kind)
            assert load_checkpoint(run / "last.safetensors", *empty, classes=NAMES) == POSITION
            assert_filled(empty, optimizer=kind)
            alone = folder / f"alone {place}"
            save_checkpoint(alone / "last.safetensors", *parts(optimizer=kind, filled=True), POSITION, classes=NAMES)
        dist.barrier()
        if rank < loaders:
            empty = parts(group, **after)
            assert load_shared(folder / f"alone {place}", *empty, group, classes=NAMES) == POSITION
            assert_filled(empty, group=group, **after)


FSDP, DDP, CLASS_SGD, SGD = {"backbone": "fsdp"}, {"backbone": "ddp"}, {"optimizer": "class"}, {"optimizer": "sgd"}


def on_three(rank, world, folder):
    pairs = [(3, 2, FSDP, {}), (2, 3, CLASS_SGD, CLASS_SGD), (1, 3, SGD, FSDP | SGD), (3, 1, DDP, {})]
    save_and_load(rank, world, folder / "pairs", pairs)
    group = dist.new_group([0, 1])
    if rank < 2:
        damaged_on_one_rank(rank, group, folder / "damaged")
        in_a_thread(rank, group, folder / "thread")


def test_saved_by_some_and_loaded_by_others(tmp_path):
    in_world(3, on_three, tmp_path)  # one start of processes, which takes longer than all that they do
    net, loss, _ = parts()
    assert load_weights(tmp_path / "thread" / "best.safetensors", net, loss) == POSITION
    expected = values(*parts(filled=True))
    assert all(torch.equal(each, expected[f"b.{name}"]) for name, each in net.state_dict().items())


@pytest.mark.slow
@pytest.mark.parametrize("how", [{}, FSDP, CLASS_SGD, DDP | SGD, FSDP | CLASS_SGD], ids=str)
def test_saved_by_each_number_and_loaded_by_each(tmp_path, how):
    in_world(4, save_and_load, tmp_path, [(p, q, how, how) for p, q in product(range(1, 5), repeat=2)])


@pytest.fixture
def two(tmp_path):
    """Two checkpoints of one run, of steps 1 and 2, with other values."""
    for step in (1, 2):
        run = parts(filled=True)
        if step == 2:
            run[1].head.weight.data += 1
        save_shared(tmp_path, *run, replace(POSITION, step=step), None, classes=NAMES)
    return tmp_path


def test_the_newest_of_two_is_used_and_no_more_are_kept(two):
    assert load_shared(two, *parts(), None).step == 2
    save_shared(two, *parts(filled=True), POSITION, None)
    assert sorted(path.name for path in (two / "last").iterdir()) == ["000002", "000003"]
    assert sorted(path.name for path in (two / "last" / "000003").iterdir()) == ["index.json", "rank-0.safetensors"]


def test_a_broken_one_is_kept_until_two_newer_ones_are_there(two):
    (two / "last" / "000002" / "index.json").unlink()
    with pytest.warns(UserWarning, match="000002 is broken"):
        load_shared(two, *parts(), None)
    for expected in (["000001", "000002.broken", "000003"], ["000003", "000004"]):
        save_shared(two, *parts(filled=True), POSITION, None)
        assert sorted(path.name for path in (two / "last").iterdir()) == expected


def broken_copies(file, flips):
    """Contents that a crash, a disk or a person leaves in a file: cut, empty, longer, a bit flipped; None for none."""
    whole = file.read_bytes()
    yield None
    for size in (0, 1, len(whole) // 2, len(whole) - 1):
        yield whole[:size]
    yield whole + b" "
    yield bytes(len(whole))
    draw = random.Random(0)
    for place in [*range(0, 60, 9), *(draw.randrange(len(whole)) for _ in range(flips))]:
        yield whole[:place] + bytes([whole[place] ^ 1 << draw.randrange(8)]) + whole[place + 1 :]


@pytest.mark.parametrize("flips", [10, pytest.param(600, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", ["index.json", "rank-0.safetensors"])
def test_a_torn_one_is_named_and_the_one_before_is_used(two, name, flips):
    newest = two / "last" / "000002"
    shutil.copytree(two, two.parent / "whole", dirs_exist_ok=True)
    for content in list(broken_copies(newest / name, flips)):
        if content is None:
            (newest / name).unlink()
        else:
            (newest / name).write_bytes(content)
        empty = parts()
        with pytest.warns(UserWarning, match=r"000002 is broken \(.*\): the one before, .*000001, is used instead"):
            assert load_shared(two, *empty, None).step == 1
        assert_filled(empty)
        assert sorted(path.name for path in (two / "last").iterdir()) == ["000001", "000002.broken"]
        shutil.rmtree(two / "last")
        shutil.copytree(two.parent / "whole" / "last", two / "last")
    shutil.rmtree(two.parent / "whole")


def test_one_process_uses_the_one_before_too(two):
    (two / "last" / "000002" / "rank-0.safetensors").write_bytes(b"")
    empty = parts()
    with pytest.warns(UserWarning, match=r"has 0 bytes, expected \d+\): the one before, .*000001, is used instead"):
        assert load_checkpoint(two / "last.safetensors", *empty).step == 1
    assert_filled(empty)
    with pytest.warns(UserWarning, match="the one before"):
        load_weights(two / "last.safetensors", parts()[0])
    save_checkpoint(two / "last.safetensors", *empty, POSITION)
    assert [path.name for path in two.iterdir()] == ["last.safetensors"]  # the shared ones were before it


def test_where_none_is_intact_all_are_named(two):
    for number in ("000001", "000002"):
        (two / "last" / number / "index.json").unlink()
    with pytest.raises(CheckpointError, match=r"000002 is broken \(.*missing\); .*000001 is broken .*: delete it"):
        load_shared(two, *parts(), None)
    assert sorted(path.name for path in (two / "last").iterdir()) == ["000001", "000002"]
    with pytest.raises(CheckpointError, match=r"there is no file .*last.safetensors"):
        load_shared(two / "elsewhere", *parts(), None)


def test_files_of_two_checkpoints_are_not_mixed(two):
    older, newer = two / "last" / "000001", two / "last" / "000002"
    shutil.copy(older / "rank-0.safetensors", newer / "rank-0.safetensors")
    with pytest.warns(UserWarning, match="rank-0.safetensors is of another checkpoint"):
        assert load_shared(two, *parts(), None).step == 1


def test_an_index_leads_out_of_its_folder_nowhere(two):
    path = two / "last" / "000002" / "index.json"
    index = json.loads(path.read_text().replace("rank-0.safetensors", "../000001/rank-0.safetensors"))
    index.pop("checksum")
    text = json.dumps(index, separators=(",", ":"))[1:]
    path.write_text(with_checksum(text))
    with pytest.warns(UserWarning, match=r"is not an index \(ValueError: '../000001/rank-0.safetensors' is no name"):
        assert load_shared(two, *parts(), None).step == 1


def test_a_group_that_this_version_of_pytorch_cannot_take(tmp_path, monkeypatch):
    monkeypatch.setattr(torch, "__version__", "2.6.0")
    monkeypatch.setattr(dist, "get_global_rank", lambda group, rank: 2)
    with pytest.raises(CheckpointError, match=r"begins with rank 2 of all.*PyTorch 2.6.*: use PyTorch 2.7"):
        save_shared(tmp_path, *parts(), POSITION, "a group")
    with pytest.raises(CheckpointError, match=r"begins with rank 2 of all"):
        load_shared(tmp_path, *parts(), "a group")


class Bomb:
    def __reduce__(self):
        return os.mkdir, (os.environ["BOMB"],)


def test_nothing_is_unpickled(two, monkeypatch, tmp_path):
    monkeypatch.setenv("BOMB", str(tmp_path / "executed"))
    pickled = pickle.dumps(Bomb())
    newest = two / "last" / "000002"
    (newest / ".metadata").write_bytes(pickled)  # which PyTorch's own reader would load
    assert load_shared(two, *parts(), None).step == 2
    for name in ("index.json", "rank-0.safetensors"):
        (newest / name).write_bytes(pickled)
    torch.save({"weight": Bomb()}, two / "last.safetensors")
    with pytest.warns(UserWarning, match="000002 is broken"):
        load_shared(two, *parts(), None)
    assert not (tmp_path / "executed").exists()
    pickle.loads(pickled)
    assert (tmp_path / "executed").exists()


def test_another_model_is_refused_by_name(two):
    with pytest.raises(CheckpointError, match=r"another model .*loss.head.weight is \(22, 6\) there and \(11, 6\)"):
        load_shared(two, *parts(subcenters=1), None)
    net, loss, optimizer = parts()
    optimizer.param_groups.pop()
    with pytest.raises(CheckpointError, match=r"the optimisers have 6 parameters"):
        load_shared(two, net, loss, optimizer, None)
    with pytest.raises(CheckpointError, match=r"class 1 of .* is 'person 1', of the data 'someone else'"):
        load_shared(two, *parts(), None, classes=[NAMES[0], "someone else", *NAMES[2:]])
    with pytest.raises(CheckpointError, match=r"has 11 classes, the data have 10: .* cones checkpoint grow or drop"):
        load_shared(two, *parts(), None, classes=NAMES[:-1])


def damaged_on_one_rank(rank, group, folder):
    for step in (1, 2):
        save_shared(folder, *parts(group, filled=True), replace(POSITION, step=step), group)
    if rank == 0:
        path = folder / "last" / "000002" / "rank-1.safetensors"
        path.write_bytes(path.read_bytes()[:-1] + b"!")
    dist.barrier(group)
    empty = parts(group)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert load_shared(folder, *empty, group).step == 1
    assert [str(each.message).count("000002 is broken") for each in caught] == ([1] if rank == 0 else [])
    assert_filled(empty, group=group)

    dist.barrier(group)
    with (
        full_disk(rank),
        pytest.raises(CheckpointError, match=r"rank 1: OSError: disk full; the checkpoint "),
    ):
        save_shared(folder, *empty, POSITION, group)
    dist.barrier(group)  # rank 0 removes what was written aside
    assert sorted(path.name for path in (folder / "last").iterdir()) == ["000001", "000002.broken"]


def in_a_thread(rank, group, folder):
    full, empty = parts(group, filled=True), parts(group)
    save_shared_weights(folder, full[0], full[1], POSITION, group, classes=NAMES)
    background = BackgroundSave(group)
    save_shared(folder, *full, replace(POSITION, step=9), group, background=background)
    with torch.no_grad():
        full[1].head.weight.zero_()  # the run goes on
    background.wait()
    assert load_shared(folder, *empty, group).step == 9
    assert_filled(empty, group=group)
    with full_disk(rank):
        save_shared(folder, *full, POSITION, group, background=background)
        with pytest.raises(CheckpointError, match=r"cannot write .*: rank 1: OSError: disk full"):
            background.wait()


def full_disk(rank):
    """A disk that is full for rank 1."""
    if rank != 1:
        return nullcontext()
    return patch.object(storage, "write_tensors", side_effect=OSError("disk full"))


def test_a_run_whose_last_checkpoint_is_of_many_ranks(small, tmp_path):
    """Evaluation, export and a resumed run take it as any other."""
    alone = tmp_path / "alone"
    list(fit(replace(small, epochs=2), alone))
    shutil.copytree(alone, tmp_path / "shared")
    run = tmp_path / "shared"
    net, loss, optimizers = model_of(replace(small, epochs=2))
    optimizer = optimizers.members
    position = load_checkpoint(run / "last.safetensors", net, loss, optimizer)
    (run / "last.safetensors").unlink()
    save_shared(run, net, loss, optimizer, position, None)
    model, same = load_backbone(run), load_backbone(alone)
    assert model.weights == run / "last" / "000001" / "index.json"
    assert model.folder == run
    for name, tensor in same.backbone.state_dict().items():
        assert torch.equal(model.backbone.state_dict()[name], tensor)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # more epochs
        lines, others = (
            [{**line, "images_per_second": 0} for line in fit(replace(small, epochs=3), folder, resume=True)]
            for folder in (alone, run)
        )
    assert lines == others
    assert (run / "last.safetensors").is_file()
    assert not (run / "last").exists()


def model_of(run):
    from cones.training._optimizer import build_optimizer
    from cones.training.data import read_data
    from cones.training.model import build_model

    net, loss = build_model(run, read_data(run).train)
    return net, loss, build_optimizer(run, net, loss)
