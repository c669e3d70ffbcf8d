"""The table of figures: name, unit and remark of each, from which text, CSV, JSON and HTML are made."""

from .figure import Quantity


def _by_key(*quantities: Quantity) -> dict[str, Quantity]:
    return {quantity.key: quantity for quantity in quantities}


VERIFICATION = _by_key(
    Quantity("verification", "tar", "TAR at FAR {:g}", "share", headline=True),
    Quantity("verification", "eer", "EER", "share", headline=True),
    Quantity("verification", "auc", "AUC"),
    Quantity("verification", "min_dcf", "minDCF"),
)

FOLDS = _by_key(Quantity("verification", "mean", "accuracy, {} folds", "share"))

IDENTIFICATION = _by_key(
    Quantity("identification", "cmc", "rank {}", "share", headline=True),
    Quantity("identification", "dir", "DIR at FAR {:g}", "share"),
)

RETRIEVAL = _by_key(
    Quantity("retrieval", "recall", "R@{}", "share"),
    Quantity("retrieval", "r_precision", "R-precision", "share"),
    Quantity("retrieval", "map_at_r", "MAP@R", "share"),
    Quantity("retrieval", "nmi", "NMI"),
    Quantity("retrieval", "ami", "AMI"),
)

GEOMETRY = _by_key(
    Quantity("geometry", "mean_intra_angle", "mean angle within classes", "degrees", "to the mean direction"),
    Quantity("geometry", "mean_inter_angle", "mean angle between classes", "degrees", "of mean directions"),
    Quantity("geometry", "min_inter_angle", "min angle between classes", "degrees", "of mean directions"),
    Quantity("geometry", "fisher_ratio", "Fisher ratio", "", "between over within, larger is better"),
    Quantity("geometry", "angular_fisher_score", "angular Fisher score", "", "within over between, smaller is better"),
    Quantity("geometry", "mean_norm", "mean norm"),
    Quantity("geometry", "norm_variation", "variation of norms"),
    Quantity("geometry", "mean_own_angle", "angle to the own weight", "degrees", "mean over rows"),
    Quantity("geometry", "mean_other_angle", "angle to the nearest other weight", "degrees", "mean over rows"),
)
