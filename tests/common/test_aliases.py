"""Losses by names from papers and other libraries: every place that takes a name suggests the right one."""

from collections.abc import Callable

import pytest

from cones import feature_losses, margins
from cones.catalogue import every_loss, find_loss
from cones.common.aliases import _ALIASES, _plain, nearest_loss
from cones.margins import parse
from cones.training import parse_objective

MEANT = {
    "AMSoftmax": "CosFace",
    "AM-Softmax": "CosFace",
    "AM_Softmax": "CosFace",
    "LMCL": "CosFace",
    "AAMSoftmax": "ArcFace",
    "AAM": "ArcFace",
    "AAM-Softmax": "ArcFace",
    "InsightFace": "ArcFace",
    "ArcFaceLoss": "ArcFace",
    "Arc-Face": "ArcFace",
    "SphereFace": "ASoftmax",
    "A-Softmax": "ASoftmax",
    "LargeMarginSoftmax": "LSoftmax",
    "L-Softmax": "LSoftmax",
    "Large-Margin Softmax": "LSoftmax",
    "CenterLos": "CenterLoss",
    "center loss": "CenterLoss",
    "CrossEntropyLoss": "Softmax",
    "NormalizedSoftmax": "NormFace",
    "MV-Arc-Softmax": "MVSoftmax",
    "ArcFase": "ArcFace",
}
PLACES: dict[str, Callable[[str], object]] = {"margin": parse, "objective": parse_objective, "catalogue": find_loss}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("name", MEANT)
def test_the_right_name_is_suggested(name: str, place: str) -> None:
    with pytest.raises(ValueError, match=rf"\(did you mean {MEANT[name]}\?\)") as caught:
        PLACES[place](name)
    assert str(caught.value).count("did you mean") == 1


@pytest.mark.parametrize("name", ["AM-Softmax(margin=0.2, scale=30)", "AMSoftmax(margin=0.2)"])
def test_fields_do_not_hide_the_name(name: str) -> None:
    for read in (parse, parse_objective):
        with pytest.raises(ValueError, match=r"is not a (loss|margin) \(did you mean CosFace\?\)"):
            read(name)


def test_a_margin_with_a_weight_is_not_called_a_feature_loss() -> None:
    with pytest.raises(ValueError, match=r"0.1 \* ArcFace: only feature losses have a weight; expected one of"):
        parse_objective("Softmax + 0.1 * ArcFace")
    with pytest.raises(ValueError, match=r"only feature losses have a weight \(did you mean CenterLoss\?\)"):
        parse_objective("Softmax + 0.1 * CenterLos")


def test_the_table_names_losses_that_are_there() -> None:
    losses = every_loss()
    assert set(_ALIASES.values()) <= set(losses)
    for alias, loss in _ALIASES.items():
        assert _plain(alias) == alias, "a key that no name can reach"
        assert nearest_loss(alias, margins.known()) == loss
    for alias in _ALIASES.keys() & {_plain(loss) for loss in losses}:
        assert _plain(_ALIASES[alias]) == alias, "another loss has this very name"


@pytest.mark.parametrize("name", [*margins.known(), *feature_losses.__all__])
def test_any_case_will_do(name: str) -> None:
    assert find_loss(name.lower()) is find_loss(name.upper()) is find_loss(name)


def test_any_case_in_expressions() -> None:
    assert parse("arcface(margin=0.3)") == margins.ArcFace(margin=0.3)
    assert str(parse_objective("cosface(margin=0.2) + 0.1 * centerloss")) == (
        "CosFace(margin=0.2, scale=64.0) + 0.1 * CenterLoss()"
    )
    assert parse_objective("ldam").counted


def test_text_in_quotes_is_no_name() -> None:
    with pytest.raises(ValueError, match="kind is 'am softmax'"):
        parse("MVSoftmax(kind='am softmax')")
