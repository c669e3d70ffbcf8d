"""Optional packages: a part that needs one says which extra brings it, before any work."""

import sys
from importlib.util import find_spec

EXTRAS = {
    "numpy": "train", "PIL": "train", "rich": "train", "safetensors": "train", "tomli_w": "train", "tyro": "train",
    "jinja2": "plots", "matplotlib": "plots",
}  # fmt: skip


class MissingExtraError(ModuleNotFoundError):
    """Raised for an optional package that is not installed; names the extra that brings it."""


def require(part: str, *modules: str) -> None:
    """Check that the modules a part imports are installed.

    Args:
        part: of this package, as the error calls it.
        modules: keys of `EXTRAS`.

    Raises:
        MissingExtraError: one is not.
    """
    missing = [name for name in modules if not _installed(name)]
    if missing:
        raise MissingExtraError(
            f"{part} needs {', '.join(missing)}: pip install 'cones[{EXTRAS[missing[0]]}]'", name=missing[0]
        )


def _installed(module: str) -> bool:
    try:
        return sys.modules.get(module) is not None or find_spec(module) is not None
    except ImportError:  # a finder that refuses it
        return False
