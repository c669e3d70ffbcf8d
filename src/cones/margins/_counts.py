"""Samples a class: what the losses for unbalanced data know of it."""


def check_counts(owner: str, counts: object) -> None:
    """Raise ValueError unless `counts` is a tuple of whole numbers of at least 1, one a class."""
    if not isinstance(counts, tuple) or not counts:
        raise ValueError(
            f"{owner}: counts is {counts!r}, expected a tuple of samples a class, "
            f"such as tuple(torch.bincount(labels).tolist())"
        )
    if set(map(type, counts)) == {int} and min(counts) >= 1:
        return
    for place, count in enumerate(counts):
        if type(count) is not int or count < 1:
            raise ValueError(
                f"{owner}: counts[{place}] is {count!r}, expected a whole number of at least 1: "
                f"leave out a class without samples"
            )
