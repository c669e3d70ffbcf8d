from dataclasses import dataclass

from ..evaluation import Similarity


@dataclass(frozen=True)
class Asked:
    """What is asked of an evaluation.

    Attributes:
        far: false accept rates, each in (0, 1].
        similarity: "cosine" or "euclidean".
        resamples: draws for the intervals; 0 for none.
        confidence: of the intervals, between 0 and 1.
        seed: of the draws and of the gallery.

    Raises:
        ValueError: a field is out of its range.
    """

    far: tuple[float, ...] = (1e-2, 1e-3, 1e-4)
    similarity: Similarity = "cosine"
    resamples: int = 1000
    confidence: float = 0.95
    seed: int = 0

    def __post_init__(self) -> None:
        for rate in self.far:
            if not 0 < rate <= 1:
                raise ValueError(f"far holds {rate}, expected rates in (0, 1]: 0.1 percent is 1e-3")
        if self.resamples < 0:
            raise ValueError(f"resamples is {self.resamples}, expected 0 (no intervals) or more, such as 1000")
        if not 0 < self.confidence < 1:
            raise ValueError(f"confidence is {self.confidence}, expected a share between 0 and 1, such as 0.95")
