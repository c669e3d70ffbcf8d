"""Names that papers and other libraries use for losses that have another name here."""

import difflib
import re
from collections.abc import Iterable

# Keys in small letters, without hyphens, underscores and a trailing "loss".
_MARGINS = {
    "aam": "ArcFace",
    "aamsoftmax": "ArcFace",
    "additiveangularmargin": "ArcFace",
    "additiveangularmarginsoftmax": "ArcFace",
    "arc": "ArcFace",
    "arcmargin": "ArcFace",
    "arcmarginproduct": "ArcFace",
    "arcsoftmax": "ArcFace",
    "insightface": "ArcFace",
    "subcenterarcface": "ArcFace",
    "addmargin": "CosFace",
    "addmarginproduct": "CosFace",
    "additivemargin": "CosFace",
    "additivemarginsoftmax": "CosFace",
    "am": "CosFace",
    "amsoftmax": "CosFace",
    "cos": "CosFace",
    "cosineface": "CosFace",
    "largemargincosine": "CosFace",
    "lmcl": "CosFace",
    "angularsoftmax": "ASoftmax",
    "sphere": "ASoftmax",
    "sphereface": "ASoftmax",
    "sphereproduct": "ASoftmax",
    "largemarginsoftmax": "LSoftmax",
    "crossentropy": "Softmax",
    "softmaxcrossentropy": "Softmax",
    "cosinesoftmax": "NormFace",
    "normalizedsoftmax": "NormFace",
    "normsoftmax": "NormFace",
    "nsoftmax": "NormFace",
    "congenerouscosine": "COCO",
    "l2constrainedsoftmax": "L2Softmax",
    "crystal": "L2Softmax",
    "combinedmargin": "CombinedMargin",
    "adaptivelyscalingcosine": "AdaCos",
    "curricular": "CurricularFace",
    "mvamsoftmax": "MVSoftmax",
    "mvarcsoftmax": "MVSoftmax",
    "svsoftmax": "MVSoftmax",
    "svxsoftmax": "MVSoftmax",
    "labeldistributionawaremargin": "LDAM",
    "logitadjustment": "LogitAdjusted",
    "balancedsoftmax": "LogitAdjusted",
    "circle": "CircleLoss",
    "spherefacev2": "SphereFace2",
}
_FEATURE_LOSSES = {
    "center": "CenterLoss",
    "centre": "CenterLoss",
    "contrastivecenter": "ContrastiveCenter",
    "tripletcenter": "TripletAgents",
    "ring": "RingLoss",
    "incay": "FeatureIncay",
    "hypersphericalenergy": "MHE",
    "minimumhypersphericalenergy": "MHE",
    "discface": "DiscFace",
    "unifiednegativepairgeneration": "UNPG",
    "variationalprototypelearning": "VPL",
    "regularface": "RegularFace",
}
_ALIASES = _MARGINS | _FEATURE_LOSSES
_QUOTED = re.compile(r"""'[^']*'|"[^"]*\"""")
_COMPOUND = re.compile(r"\b[A-Za-z]\w*(?:[- ][A-Za-z]\w*)+")  # \b: else a long word costs its length squared


def nearest_loss(name: str, known: Iterable[str]) -> str | None:
    """Return the loss that `name` most likely means, or None.

    Args:
        name: as somebody wrote it, such as "AM-Softmax".
        known: the losses that may be written in its place; a loss of the table of aliases is found in any case.

    Example:
        >>> nearest_loss("AM-Softmax", ["ArcFace", "CosFace", "LMSoftmax"])
        'CosFace'
    """
    by_plain = {**_ALIASES, **{_plain(loss): loss for loss in _ALIASES.values()}}
    by_plain |= {_plain(loss): loss for loss in known}
    close = difflib.get_close_matches(_plain(name), by_plain, n=1)
    return by_plain[close[0]] if close else None


def check_compound_names(text: str) -> None:
    """Raise ValueError where a loss is written with hyphens or spaces, which no expression can hold in a name.

    Args:
        text: an expression, such as "AM-Softmax(margin=0.2) + 0.1 * CenterLoss".
    """
    by_plain = {_plain(name): name for name in _ALIASES.values()} | _ALIASES
    for found in _COMPOUND.finditer(_QUOTED.sub("", text)):
        loss = by_plain.get(_plain(found[0]))
        if loss is not None:
            raise ValueError(f"{found[0]!r} is not a loss (did you mean {loss}?)")


def _plain(name: str) -> str:
    plain = re.sub(r"[-_ ]", "", name.lower())
    return plain.removesuffix("loss") or plain
