"""Stop requests: the first signal ends a run after the step under way, so that no step is torn."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

NAMES = ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGXCPU")
SIGNALS = tuple(getattr(signal, name) for name in NAMES if hasattr(signal, name))
"""Signals by which people, terminals and batch systems end a job, as far as the platform has them."""


class Stop:
    """Request to end a run after the step under way, with a checkpoint written.

    `fit` and `compare` make one of their own for signals. One that is passed to them can also be set from another
    thread, and says afterwards what ended the run.

    Attributes:
        requested: whether the run is to end.
        signal: the signal that asked for it; None where `request` did.
        step: steps done so far.

    Example:
        >>> stop = Stop()
        >>> stop.request()
        >>> stop.requested, stop.signal
        (True, None)
    """

    def __init__(self) -> None:
        self.requested = False
        self.signal: signal.Signals | None = None
        self.step = 0

    def request(self, number: int | None = None) -> None:
        """Ask the run to end; `number` is that of the signal."""
        self.signal = None if number is None else signal.Signals(number)
        self.requested = True

    @property
    def preempted(self) -> bool:
        """Whether a signal other than Ctrl-C asked, after which a batch system leaves little time."""
        return self.signal not in (None, signal.SIGINT)

    @property
    def exit_code(self) -> int:
        """Exit code of a command that was stopped: 75 (try again later) after preemption, 130 after Ctrl-C."""
        return 75 if self.preempted else 130  # EX_TEMPFAIL of sysexits.h; a shell's code for SIGINT


@contextmanager
def stop_on_signals(stop: Stop) -> Iterator[None]:
    """Let the first of `SIGNALS` set `stop`; the earlier handlers are back in place afterwards.

    A second Ctrl-C acts as usual. The other signals stay caught until the end: a processor limit sends SIGXCPU every
    second, and a terminal that closes may send SIGHUP twice. Those that were ignored (nohup) stay ignored. Outside the
    main thread, where Python handles no signals, nothing is done.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    # None is a handler from outside Python, which could not be put back
    earlier = {number: handler for number in SIGNALS if (handler := signal.getsignal(number)) is not None}
    caught = [n for n, handler in earlier.items() if handler != signal.SIG_IGN or n == signal.SIGINT]

    def handle(number: int, frame: FrameType | None) -> None:
        if not stop.requested:
            stop.request(number)
        if number == signal.SIGINT:
            signal.signal(number, earlier[number])

    try:
        for number in caught:
            signal.signal(number, handle)
        yield
    finally:
        for number in caught:
            signal.signal(number, earlier[number])
