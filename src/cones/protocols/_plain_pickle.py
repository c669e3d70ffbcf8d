"""Pickles of plain lists, read as text is read: opcode by opcode, with nothing imported and nothing called.

A pickle is a program for a stack machine. This is a smaller machine: its opcodes build lists, tuples, bytes, strings,
bools and whole numbers. The one name it knows is `_codecs.encode`, by which Python 3 writes bytes into a pickle of
protocol 2; it becomes a mark on the stack and is never looked up. Any other opcode or name ends the reading.
"""

import pickletools
import warnings
from pathlib import Path

from ..common.regular_file import not_a_file
from ..data import DataError
from ._pickle_machine import Machine, RefusedError

MOST_OPCODES = 10_000_000  # an image takes up to ten; each opcode of one byte may take a hundred bytes of memory


def read_plain_pickle(path: Path) -> object:
    """Return the lists, tuples, bytes, strings, bools and whole numbers that a pickle builds.

    Args:
        path: a pickle of protocol 2 to 5.

    Raises:
        DataError: if the file cannot be read, is damaged, or is a pickle of anything else.

    Example:
        >>> import pickle, tempfile
        >>> path = Path(tempfile.mkdtemp()) / "plain.pkl"
        >>> _ = path.write_bytes(pickle.dumps(([b"one", b"two"], [True])))
        >>> read_plain_pickle(path)
        ([b'one', b'two'], [True])
    """
    if fault := not_a_file(path):
        raise DataError(fault)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error}") from error
    if data[:1] != b"\x80" or data[1:2] not in (b"\x02", b"\x03", b"\x04", b"\x05"):
        raise DataError(f"{path} begins with {data[:2].hex() or 'nothing'}; expected a pickle of protocol 2 to 5")
    machine = Machine(len(data))
    position = 0
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of odd escapes in text, which is refused anyway
            for count, (opcode, argument, place) in enumerate(pickletools.genops(data)):
                position = place or 0
                if count >= MOST_OPCODES:
                    raise RefusedError(f"it has more than {MOST_OPCODES} opcodes; expected fewer in a list of images")
                machine.step(opcode.name, argument)
        if position + 1 != len(data):
            raise RefusedError(f"it ends there, but {len(data) - position - 1} bytes follow")
        return machine.pop()
    except RefusedError as error:
        raise DataError(f"{path} was not read and nothing in it was executed: at byte {position} {error}") from None
    except ValueError as error:  # of pickletools: an unknown opcode, or the end of the file
        reason = " ".join(str(error).split())
        raise DataError(f"{path} is cut short or damaged after byte {position} ({reason}); fetch it again") from error
