"""Files are complete or absent, and leftovers of a killed write are removed by the next write."""

import os
import pickle
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import cones
from cones.common.atomic_files import (
    WriteError,
    check_file_place,
    check_folder_place,
    remove_leftovers,
    replacing,
    scratch_folder,
    whole_folder,
    write_text,
)
from tests.narrowing import not_none

STUCK = """
import sys, time
from pathlib import Path
sys.path.insert(0, {package!r})  # the module alone: the package takes a second to import
from atomic_files import replacing, scratch_folder, whole_folder
with {call} as aside:
    (aside / "part" if aside.is_dir() else aside).write_text("half")
    print(flush=True)
    time.sleep(600)
"""
PACKAGE = str(Path(cones.__file__).parent / "common")
CALLS = {
    "file": "replacing(Path(sys.argv[1]) / 'last.safetensors')",
    "folder": "whole_folder(Path(sys.argv[1]) / 'exported')",
    "scratch": "scratch_folder(Path(sys.argv[1]), 'fonts')",
}


def stuck(folder, call):
    """A process that is in the middle of a write in `folder`."""
    process = subprocess.Popen(
        [
            sys.executable,
            "-c",
            STUCK.format(call=CALLS[call], package=str(Path(cones.__file__).parent / "common")),
            str(folder),
        ],
        stdout=subprocess.PIPE,
    )
    not_none(process.stdout).readline()
    return process


def end(process):
    process.send_signal(signal.SIGKILL)
    process.wait()
    not_none(process.stdout).close()


def write(folder, call):
    match call:
        case "file":
            write_text(folder / "last.safetensors", "whole")
        case "folder":
            with whole_folder(folder / "exported") as aside:
                (aside / "a").write_text("whole")
        case "scratch":
            with scratch_folder(folder, "fonts"):
                pass


@pytest.mark.parametrize("call", CALLS)
def test_what_a_kill_left_is_removed_by_the_next_and_a_living_process_is_left_alone(tmp_path, call):
    others = [
        tmp_path / name for name in (".hidden", ".last.safetensors.backup", ".last.safetensors.original.safetensors")
    ]
    for other in others:
        other.write_text("mine")
    alive = stuck(tmp_path, call)
    killed = stuck(tmp_path, call)
    try:
        before = set(tmp_path.iterdir())
        assert len(before) == 5
        write(tmp_path, call)
        remove_leftovers(tmp_path)
        assert before <= set(tmp_path.iterdir())
        end(killed)
        write_text(tmp_path / "other.txt", "of another name")
        assert before <= set(tmp_path.iterdir())
        if call == "folder":
            (tmp_path / "exported" / "a").unlink()
        write(tmp_path, call)
        assert len(before & set(tmp_path.iterdir())) == 4
    finally:
        end(alive)
        end(killed) if killed.poll() is None else None
    remove_leftovers(tmp_path)
    left = {path.name for path in tmp_path.iterdir()}
    assert not any("cones-" in name for name in left)
    assert all(other.read_text() == "mine" for other in others)


def test_links_and_missing_folders(tmp_path):
    (tmp_path / "precious").write_text("mine")
    (tmp_path / ".a.cones-abcdefgh").symlink_to(tmp_path / "precious")
    remove_leftovers(tmp_path)
    remove_leftovers(tmp_path / "no")
    assert (tmp_path / ".a.cones-abcdefgh").exists()
    assert (tmp_path / "precious").read_text() == "mine"


def test_nothing_is_left_open_or_behind(tmp_path):
    before = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else None
    for _ in range(3):
        write_text(tmp_path / "a.txt", "whole")
        with pytest.raises(KeyError), replacing(tmp_path / "a.txt"):
            raise KeyError
        with pytest.raises(KeyError), whole_folder(tmp_path / "folder"):
            raise KeyError
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]
    if before is not None:
        assert len(os.listdir("/proc/self/fd")) == before


def test_a_file_system_without_locks_loses_nothing(tmp_path, monkeypatch):
    def no_locks(*_):
        raise OSError("no locks available")

    monkeypatch.setattr("fcntl.flock", no_locks)
    stray = tmp_path / ".a.txt.cones-abcdefgh.txt"
    stray.write_text("half")
    write_text(tmp_path / "a.txt", "whole")
    assert (tmp_path / "a.txt").read_text() == "whole"
    assert stray.exists()  # nobody can tell whether it is still being written


def full_disk(*_, **__):
    raise OSError(28, "No space left on device")


def test_an_error_of_the_system_names_the_file_and_the_fix(tmp_path):
    path = tmp_path / "out" / "a.txt"
    said = rf"^cannot write {path} \(No space left on device\): write to another place \(--out\)$"
    with pytest.raises(WriteError, match=said), replacing(path):
        full_disk()
    with pytest.raises(WriteError, match=said), whole_folder(path) as aside, replacing(aside / "b.txt"):
        full_disk()
    assert list(path.parent.iterdir()) == []
    again = pickle.loads(pickle.dumps(WriteError(path, "full")))  # as from a process that draws a report
    assert (str(again), again.path, again.reason) == (str(WriteError(path, "full")), path, "full")


def test_links_are_replaced_and_what_is_no_file_is_kept(tmp_path):
    (tmp_path / "target").write_text("mine")
    (tmp_path / "link").symlink_to("target")
    write_text(tmp_path / "link", "new")
    assert ((tmp_path / "target").read_text(), (tmp_path / "link").read_text()) == ("mine", "new")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(WriteError, match=r"pipe \(it is not a regular file\)"):
        write_text(tmp_path / "pipe", "new")
    with pytest.raises(WriteError, match=r"\(it is a folder, expected a file\)"):
        write_text(tmp_path, "new")
    assert (tmp_path / "pipe").is_fifo()


@pytest.mark.parametrize("check", [check_file_place, check_folder_place])
def test_a_place_is_checked_without_a_trace(tmp_path, check):
    (tmp_path / "file").write_text("mine")
    (tmp_path / "broken").symlink_to("nowhere")
    check(tmp_path / "new" / "deep")
    for place in ("file/x", "file/x/y", "x" * 300, "x" * 300 + "/y", "broken/x"):
        with pytest.raises(WriteError, match=rf"^cannot write {tmp_path / place} \(.*\): write to another place"):
            check(tmp_path / place)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["broken", "file"]


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="no other folder refuses files to root; only Linux has this one")
def test_a_place_that_takes_no_files_is_refused_to_root_too():
    with pytest.raises(WriteError, match=r"cannot write /proc/x \("):
        check_folder_place(Path("/proc/x"))
