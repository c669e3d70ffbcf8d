"""Summary numbers of a case, from its times."""

import statistics
from typing import Any

Case = dict[str, Any]


def ratio(case: Case) -> float | None:
    """Median time over the median time of the plain products taken in turn with it; None where it was left out."""
    if "seconds" not in case:
        return None
    return float(statistics.median(case["seconds"]) / statistics.median(case["products_seconds"]))


def spread(case: Case) -> tuple[float, float]:
    """Smallest and largest ratio of a round."""
    ratios = [a / b for a, b in zip(case["seconds"], case["products_seconds"], strict=True)]
    return min(ratios), max(ratios)


def find(results: dict[str, Any], contender: str, size: dict[str, int]) -> Case | None:
    """The case of a contender at a size."""
    return next(
        (
            case
            for case in results["cases"]
            if case["contender"] == contender and all(case[name] == value for name, value in size.items())
        ),
        None,
    )


def over(results: dict[str, Any], contender: str, rival: str, size: dict[str, int]) -> str:
    """The ratio of a contender to the products over that of a rival, as text; a dash where either was left out."""
    one, other = find(results, contender, size), find(results, rival, size)
    ratios = [None if case is None else ratio(case) for case in (one, other)]
    return "–" if ratios[0] is None or ratios[1] is None else f"{ratios[0] / ratios[1]:.2f}"


def in_turn(size: dict[str, Any], contender: str, rival: str) -> float:
    """The median, over rounds in one process, of a contender's time over that of a rival."""
    pairs = zip(size["seconds"][contender], size["seconds"][rival], strict=True)
    return float(statistics.median(one / other for one, other in pairs))
