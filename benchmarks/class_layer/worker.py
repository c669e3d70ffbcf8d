"""One measurement in its own process: `run` starts it, and it prints a line of JSON."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.class_layer.contenders import by_name
from benchmarks.class_layer.measure import errors, extra_bytes, in_turn, seconds
from benchmarks.class_layer.phases import phases

ROOT = Path(__file__).parents[2]


def run(job: dict[str, Any]) -> Any:
    """Measure in a fresh process.

    Raises:
        RuntimeError: the process failed; the text says how it ended.
    """
    command = [sys.executable, "-m", "benchmarks.class_layer.worker", json.dumps(job)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    if ended.returncode < 0:
        raise RuntimeError(f"ended by signal {-ended.returncode}")
    if ended.returncode > 0:
        raise RuntimeError((ended.stderr.strip().splitlines() or ["no message"])[-1])
    return json.loads(ended.stdout.splitlines()[-1])


def main() -> None:
    """Do the job given as JSON: what to measure, and the arguments of the function of that name."""
    job = json.loads(sys.argv[1])
    functions: dict[str, Callable[..., object]] = {
        "seconds": seconds,
        "extra_bytes": extra_bytes,
        "errors": errors,
        "phases": phases,
        "in_turn": in_turn,
    }
    measured = functions[job.pop("what")]
    if "contender" in job:
        job["contender"] = by_name(job["contender"])
    if "contenders" in job:
        job["contenders"] = [by_name(name) for name in job["contenders"]]
    print(json.dumps(measured(**job)))


if __name__ == "__main__":
    main()
