"""Ctrl-C while the `cones` command imports PyTorch, which takes seconds: one line in place of a traceback."""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import NoReturn

STOPPED = 130
"""Exit code after Ctrl-C, as shells have it."""


def leave_quietly() -> None:
    """Let Ctrl-C end the process at once, if it runs the `cones` command; other programs are left as they are."""
    usual = threading.current_thread() is threading.main_thread() and (
        signal.getsignal(signal.SIGINT) is signal.default_int_handler
    )
    if usual and _is_command():
        signal.signal(signal.SIGINT, _leave)


def act_as_usual() -> None:
    """Undo `leave_quietly`."""
    if signal.getsignal(signal.SIGINT) is _leave:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@contextmanager
def unheard_by_children() -> Iterator[None]:
    """Start processes that Ctrl-C never reaches: a terminal sends it to all, and the parent alone answers it.

    They inherit the blocked signal, so that it is theirs before their first line of Python. This process gets a Ctrl-C
    of that moment at the end of the body.
    """
    if sys.platform == "win32":
        yield
        return
    earlier = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, earlier)


def _is_command() -> bool:
    if sys.argv[:1] == ["-m"]:  # while Python looks for the module that -m names
        following = sys.orig_argv[sys.orig_argv.index("-m") + 1 :] if "-m" in sys.orig_argv else []
        return following[:1] == ["cones"]
    return Path(sys.argv[0]).stem == "cones" if sys.argv else False


def _leave(number: int, frame: FrameType | None) -> NoReturn:
    # an exception could be caught and turned into another by the module that is being imported
    os.write(2, b"cones: stopped\n")
    os._exit(STOPPED)
