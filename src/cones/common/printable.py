"""Text from files as a terminal, a log or a figure may show it."""

import re

# C0 and C1 with escape and newline, line separators, marks that turn the order of letters round, and the halves of
# characters by which Python keeps file names that are no UTF-8
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def printable(text: str) -> str:
    r"""`text` with its control characters escaped, so that a name cannot move the cursor or colour the terminal.

    Example:
        >>> print(printable("\x1b[31mred\n"))
        \x1b[31mred\n
    """
    return _CONTROL.sub(lambda match: match[0].encode("unicode_escape").decode("ascii"), text)


def printable_lines(text: str) -> str:
    r"""The same for text of several lines, which stay lines.

    Example:
        >>> print(printable_lines("a\x07\nb"))
        a\x07
        b
    """
    return "\n".join(map(printable, text.split("\n")))
