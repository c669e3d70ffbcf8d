"""Ctrl-C of a terminal, which all its processes get."""

import signal
import subprocess
import sys

import pytest

from cones.common.interrupts import unheard_by_children

MASK = "import signal; print(signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, []))"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no signal masks: what is tested is left out there")
def test_children_do_not_hear_it_and_this_process_does_afterwards():
    children = []

    def start():
        with unheard_by_children():
            signal.raise_signal(signal.SIGINT)
            child = subprocess.run([sys.executable, "-S", "-c", MASK], capture_output=True, text=True, check=True)
            children.append(child.stdout)

    with pytest.raises(KeyboardInterrupt):
        start()
    assert children == ["True\n"]
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, [])
