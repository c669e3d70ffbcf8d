"""`import cones` against `import torch`: medians of whole processes, taken in turn.

python -m benchmarks.trainer.import_time
"""

import os
import statistics
import subprocess
import sys
import time

ROUNDS = 11
# bytecode is kept, as an installed package's is
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def seconds(statement: str) -> float:
    """Wall time of a fresh interpreter that runs one statement."""
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", statement], check=True, env=ENVIRONMENT)
    return time.perf_counter() - start


def main() -> None:
    """Print both medians and the median of the paired ratios."""
    seconds("import torch, cones")  # bytecode and the disk's cache
    pairs = [(seconds("import torch"), seconds("import cones")) for _ in range(ROUNDS)]
    torch_alone, with_cones = (statistics.median(side) for side in zip(*pairs, strict=True))
    ratio = statistics.median(b / a for a, b in pairs)
    print(f"import torch {torch_alone:.2f} s, import cones {with_cones:.2f} s, ratio {ratio:.3f} ({ROUNDS} pairs)")


if __name__ == "__main__":
    main()
