"""Settings of every loss for ten classes in the plane and in 64 dims."""

import ast
import inspect
from dataclasses import dataclass

from cones.catalogue import every_loss
from cones.margins import Margin

ANNEALED = "Annealing(base=1000.0, gamma=0.1, power=2.0, minimum=0.0)"


@dataclass(frozen=True)
class Recipe:
    """A loss's text for either space, and what a user should know of training it."""

    name: str
    plane: str
    space: str
    note: str = ""

    def without_help(self, text: str) -> str:
        """The text with each schedule replaced by the value it ends at, and without MHE where that is a help alone."""
        tree = ast.parse(text, mode="eval")
        if self.name != "MHE" and isinstance(tree.body, ast.BinOp) and ast.unparse(tree.body.right).endswith("MHE"):
            tree.body = tree.body.left
        return ast.unparse(_Ended().visit(tree))


class _Ended(ast.NodeTransformer):
    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        fields = {keyword.arg: keyword.value for keyword in node.keywords}
        match node.func:
            case ast.Name(id="Annealing"):
                return fields["minimum"]
            case ast.Name(id="LinearWarmup"):
                return fields["end"]
        return node


def both(name: str, text: str, note: str = "") -> Recipe:
    """The same text in either space."""
    return Recipe(name, text, text, note)


def by_fields(name: str, scale: int, cosine: float, angle: float) -> str:
    """The text of a loss with its scale, and its margin by its unit; a feature loss is joined to softmax.

    Example:
        >>> by_fields("CosFace", 16, 0.2, 0.3)
        'CosFace(margin=0.2, scale=16)'
    """
    kind = every_loss()[name]
    units = dict.fromkeys(getattr(kind, "angles", ()), angle) | dict.fromkeys(getattr(kind, "cosines", ()), cosine)
    known = {"margin": units.get("margin"), "scale": scale}
    fields = ", ".join(f"{field}={known[field]}" for field in inspect.signature(kind).parameters if known.get(field))
    text = f"{name}({fields})" if fields else name
    return text if issubclass(kind, Margin) else f"Softmax + 0.1 * {text}"


P2SGRAD = (
    "among ten classes in the plane its value is the same for directions spread evenly and for directions on two axes "
    "at right angles, so that nothing but MHE keeps them apart"
)

_CHOSEN = [
    both("Softmax", "Softmax"),
    both("LSoftmax", f"LSoftmax(margin=4, blend={ANNEALED})"),
    both("ASoftmax", f"ASoftmax(margin=4, blend={ANNEALED})"),
    both("L2Softmax", "L2Softmax"),
    both("NormFace", "NormFace"),
    both("COCO", "COCO"),
    Recipe("CosFace", "CosFace(margin=0.064, scale=16)", "CosFace(margin=0.33, scale=17)"),
    Recipe("ArcFace", "ArcFace(margin=0.21, scale=16)", "ArcFace(margin=0.52, scale=17)"),
    Recipe("CombinedMargin", "CombinedMargin(m2=0.1, m3=0.03, scale=16)", "CombinedMargin(m2=0.3, m3=0.1, scale=17)"),
    Recipe("SphereFaceR", "SphereFaceR(margin=1.2, scale=16)", "SphereFaceR(margin=1.7, scale=17)"),
    Recipe("SphereFace2", "SphereFace2(margin=0.05, scale=16) + 300.0 * MHE", "SphereFace2"),
    Recipe(
        "CurricularFace",
        "CurricularFace(margin=0.21, scale=16, momentum=0.99) + 300.0 * MHE",
        "CurricularFace(margin=0.52, scale=17)",
    ),
    Recipe("MVSoftmax", "MVSoftmax(margin=0.064, scale=16) + 30.0 * MHE", "MVSoftmax(margin=0.33, scale=17)"),
    Recipe("AdaCos", "AdaCos(dynamic=False)", "AdaCos"),
    Recipe(
        "AdaFace",
        "AdaFace(margin=LinearWarmup(start=0.0, end=0.1, steps=600), scale=16)",
        "AdaFace(margin=0.33, scale=17)",
    ),
    Recipe(
        "MagFace",
        "MagFace(lower_margin=0.1, upper_margin=0.21, scale=16)",
        "MagFace(lower_margin=0.3, upper_margin=0.52, scale=17)",
    ),
    Recipe("CircleLoss", "CircleLoss(margin=0.25, scale=32) + 100.0 * MHE", "CircleLoss(margin=0.25, scale=32)"),
    Recipe("ElasticFace", "ElasticFace(margin=0.21, scale=16, std=0.02)", "ElasticFace(margin=0.52, scale=17)"),
    Recipe("LDAM", "LDAM(margin=0.064, scale=16)", "LDAM(margin=0.33, scale=17)"),
    both("LogitAdjusted", "LogitAdjusted"),
    Recipe("X2Softmax", "X2Softmax(scale=16)", "X2Softmax(scale=17)"),
    Recipe("LMSoftmax", "LMSoftmax(scale=16) + 3.0 * MHE", "LMSoftmax(scale=17)"),
    Recipe("P2SGrad", "P2SGrad + 30.0 * MHE", "P2SGrad", P2SGRAD),
    Recipe("UniFace", "UniFace(margin=0.064, scale=16) + 100.0 * MHE", "UniFace(margin=0.33, scale=17)"),
    Recipe("ArcNegFace", "ArcNegFace(margin=0.21, scale=16) + 30.0 * MHE", "ArcNegFace(margin=0.52, scale=17)"),
    Recipe("NPCFace", "NPCFace(margin=0.21, scale=16, m0=0.15, m1=0.05)", "NPCFace(margin=0.5, scale=17)"),
    both("CenterLoss", "Softmax + 0.1 * CenterLoss"),
    both("FeatureIncay", "Softmax + 100.0 * FeatureIncay"),
    both("RingLoss", "Softmax + 0.01 * RingLoss"),
    both("ContrastiveAgents", "NormFace + 0.01 * ContrastiveAgents"),
    both("TripletAgents", "NormFace + 0.01 * TripletAgents"),
    both("BatchCOCO", "Softmax + 1.0 * BatchCOCO"),
    both("ContrastiveCenter", "Softmax + 1.0 * ContrastiveCenter"),
    Recipe("CirclePairs", "Softmax + 0.1 * CirclePairs(scale=16)", "Softmax + 0.1 * CirclePairs"),
    both("DiscFace", "NormFace + 0.2 * DiscFace"),
    both("MHE", "NormFace + 1.0 * MHE"),
    both("RegularFace", "NormFace + 1.0 * RegularFace"),
    Recipe("UNPG", "NormFace + 1.0 * UNPG(margin=0.21, scale=16)", "NormFace + 1.0 * UNPG(margin=0.52, scale=17)"),
    Recipe(
        "VPL",
        "NormFace + 1.0 * VPL(margin=ArcFace(margin=0.21, scale=16), start=200)",
        "NormFace + 1.0 * VPL(margin=ArcFace(margin=0.52, scale=17), start=200)",
    ),
]

RECIPES = [
    *_CHOSEN,
    *(
        Recipe(name, by_fields(name, 16, 0.064, 0.21), by_fields(name, 17, 0.33, 0.52))
        for name in every_loss()
        if name not in {recipe.name for recipe in _CHOSEN}
    ),
]
"""One for every loss: where none was chosen, its fields say how it is written."""
