"""Files to read: one wording for what is missing, and nothing but regular files.

A device, a pipe or a socket that a stranger's file names could fill the memory or never end.
"""

import stat
from pathlib import Path


def not_a_file(path: Path) -> str:
    """Return why `path` cannot be read as a file, as an error begins; nothing for a regular file or a link to one.

    Example:
        >>> not_a_file(Path("/dev/null"))
        '/dev/null is not a regular file'
        >>> not_a_file(Path("/dev"))
        '/dev is a folder, expected a file'
        >>> not_a_file(Path("/nowhere"))
        'there is no file /nowhere'
    """
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError, ValueError):  # ValueError: a null character in the name
        return f"{path} is a broken link" if path.is_symlink() else f"there is no file {path}"
    except OSError as error:
        return f"{path} cannot be read ({error.strerror})"
    if stat.S_ISDIR(mode):
        return f"{path} is a folder, expected a file"
    return "" if stat.S_ISREG(mode) else f"{path} is not a regular file"
