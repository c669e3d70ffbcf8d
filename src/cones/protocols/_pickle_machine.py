"""A stack machine for pickles of plain lists: nothing is imported, and nothing is called."""

_MARK = object()
_ENCODE = object()
_VALUES = frozenset((
    "BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8",
    "BININT", "BININT1", "BININT2",
))  # fmt: skip
_STRINGS = frozenset(("BINSTRING", "SHORT_BINSTRING"))  # of Python 2: bytes
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}


class RefusedError(ValueError):
    """Why the machine stops, as part of a sentence."""


class Machine:
    """A stack and a memo.

    Args:
        size: bytes of the pickle; as many may come out of all its `_codecs.encode`, so that a short file which
            encodes one long string again and again is refused.
    """

    def __init__(self, size: int) -> None:
        self.stack: list[object] = []
        self.memo: dict[int, object] = {}
        self.budget = size

    def step(self, name: str, argument: object) -> None:
        """Carry out one opcode."""
        if name in _VALUES:
            self.stack.append(argument)
        elif name in _STRINGS:
            assert isinstance(argument, str)  # pickletools decodes it so
            self.stack.append(argument.encode("latin-1"))
        elif name in ("NEWTRUE", "NEWFALSE"):
            self.stack.append(name == "NEWTRUE")
        elif name == "MARK":
            self.stack.append(_MARK)
        elif name == "EMPTY_LIST":
            self.stack.append([])
        elif name == "EMPTY_TUPLE":
            self.stack.append(())
        elif name in ("LIST", "TUPLE"):
            items = self.pop_to_mark()
            self.stack.append(items if name == "LIST" else tuple(items))
        elif name in _TUPLES:
            self.stack.append(tuple(reversed([self.pop() for _ in range(_TUPLES[name])])))
        elif name in ("APPEND", "APPENDS"):
            self.extend([self.pop()] if name == "APPEND" else self.pop_to_mark())
        elif name in ("BINPUT", "LONG_BINPUT", "MEMOIZE"):
            assert argument is None or isinstance(argument, int)
            self.memo[len(self.memo) if argument is None else argument] = self.top()
        elif name in ("BINGET", "LONG_BINGET"):
            if argument not in self.memo:
                raise RefusedError(f"it reads entry {argument} of its memo, which was never stored")
            self.stack.append(self.memo[argument])
        elif name in ("GLOBAL", "STACK_GLOBAL"):
            self.stack.append(self.known(argument if name == "GLOBAL" else None))
        elif name == "REDUCE":
            self.stack.append(self.encoded(self.pop(), self.pop()))
        elif name not in ("PROTO", "FRAME", "STOP"):
            raise RefusedError(f"it has the opcode {name}; expected lists of bytes and bools alone")

    def top(self) -> object:
        """Return the top of the stack."""
        if not self.stack or self.stack[-1] is _MARK:
            raise RefusedError("it pops from an empty stack")
        return self.stack[-1]

    def pop(self) -> object:
        """Pop the top of the stack."""
        self.top()
        return self.stack.pop()

    def pop_to_mark(self) -> list[object]:
        """Take all above the last mark, and the mark."""
        items = []
        while self.stack and self.stack[-1] is not _MARK:
            items.append(self.stack.pop())
        if not self.stack:
            raise RefusedError("it uses a mark that was never set")
        self.stack.pop()
        return items[::-1]

    def extend(self, items: list[object]) -> None:
        """Append to the list on top of the stack."""
        target = self.top()
        if not isinstance(target, list):
            raise RefusedError(f"it appends to {type(target).__name__}; expected a list")
        target.extend(items)

    def known(self, argument: object) -> object:
        """Return the stand-in for a name, popped from the stack if it is not given; refuse all names but one."""
        if argument is None:
            name, module = self.pop(), self.pop()
            argument = f"{module} {name}" if isinstance(name, str) and isinstance(module, str) else repr(name)
        text = str(argument)[:200]
        if text == "_codecs encode":
            return _ENCODE
        shown = ascii(text.replace(" ", ".", 1))[1:-1]
        if text.startswith("numpy"):
            raise RefusedError(
                f"it imports {shown}, so it holds NumPy arrays, which only execution could read; if "
                "you trust it, load it and dump ([bytes(image) for image in images], [bool(answer) for answer in same])"
            )
        raise RefusedError(f"it imports {shown}, but lists of bytes and bools need no code")

    def encoded(self, arguments: object, function: object) -> bytes:
        """Return the bytes that `_codecs.encode(text, "latin1")` would make."""
        if function is not _ENCODE:
            raise RefusedError(f"it calls {type(function).__name__}; expected no call")
        if not (isinstance(arguments, tuple) and len(arguments) == 2 and arguments[1] in ("latin1", "latin-1")):
            raise RefusedError('it calls _codecs.encode in another way than (text, "latin1")')
        if not isinstance(arguments[0], str):
            raise RefusedError(f"it encodes {type(arguments[0]).__name__}; expected text")
        self.budget -= len(arguments[0])
        if self.budget < 0:
            raise RefusedError("it encodes one text again and again, to more bytes than the file has")
        try:
            return arguments[0].encode("latin-1")
        except UnicodeEncodeError:
            raise RefusedError("it encodes text that latin1 does not hold") from None
