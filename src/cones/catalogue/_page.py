"""The losses as Markdown: a page each, and an index."""

import re

from ..margins import Margin
from ..probing import margins as probing
from ..probing.at_angles import NUM_CLASSES
from ..probing.feature_losses import fits, loss_curve
from ._cost import cost
from ._entry import Entry, entry
from ._find import LONG_TAIL, every_loss, example, missing_fields

WRITTEN_BY = "<!-- Written by `make docs-losses` from the docstring and the class; edit those. -->\n"


def page(loss: type) -> str:
    """The page of a loss; its picture is NAME.svg beside it, where there is one (`has_picture`)."""
    about = entry(loss)
    parts = [
        WRITTEN_BY,
        f"# {about.name}\n",
        f"`{about.signature}`\n",
        about.summary + "\n",
        _prose(about.body) + "\n",
        *_picture(loss),
        *([f"## When to use it\n\n{about.when}\n"] if about.when else []),
        *_fields(about),
        "## Cost\n",
        "".join(f"- {line}\n" for line in cost(loss)),
        f"## Reference\n\n{_linked(about.reference)}\n",
        "[All losses](README.md)\n",
    ]
    return "\n".join(parts)


def index() -> str:
    """Return the page that lists the public losses."""
    parts = [
        WRITTEN_BY,
        "# Losses\n",
        "t is the logit of the row's own class, o_j those of the others, s the scale, theta_j the angle to the "
        "direction of class j. `cones losses` prints the same. [How to write your own](../new-loss.md).\n",
    ]
    for title, margins in (("Softmax-margin losses", True), ("Feature losses, added with a weight", False)):
        parts += [f"## {title}\n", "| loss | summary | formula | paper |\n|---|---|---|---|"]
        kinds = [kind for kind in every_loss().values() if issubclass(kind, Margin) == margins]
        parts += [_line(entry(kind)) for kind in kinds]
        parts.append("")
    return "\n".join(parts)


def has_picture(loss: type) -> bool:
    """Tell whether there is a picture of the loss."""
    return issubclass(loss, Margin) or fits(example(loss))


def _picture(loss: type) -> list[str]:
    if not has_picture(loss):
        return []
    about = _about_margin(example(loss)) if issubclass(loss, Margin) else _about_feature_loss(loss)
    if "counts" in missing_fields(loss):
        about += f" Drawn for ten classes with {', '.join(map(str, LONG_TAIL[:-1]))} and {LONG_TAIL[-1]} rows."
    return [f"![What {loss.__name__} does]({loss.__name__}.svg)\n", f"*{about}*\n"]


def _about_margin(margin: Margin) -> str:
    """Return the caption of a margin's figure."""
    raw = margin.features == "raw"
    parts = [
        "Logit of the own class against its angle θ, divided by the scale"
        + (" and the feature's norm" if raw else "")
        + "; its slope in θ; and the decision regions of two classes, θ₁ and θ₂ being the angles to them"
        + (", with the band that the margin keeps free between them" if probing.keeps_a_band(margin) else "")
        + ". Dotted: without a margin."
    ]
    several = probing.probes(margin)
    if len(several) > 1:
        by_norm = several[0].feature_norm != several[1].feature_norm
        parts.append("One line per feature norm." if by_norm else "One line each for the first and the last class.")
    if probing.asks_yes_or_no(margin):
        parts.append(
            "Every class is decided separately, so the regions are rectangles; the bias has its initial value."
        )
    if probing.bends_others(margin):
        parts.append("Last, the logits of the other classes, for the given angles to the own class.")
    if probing.draws_at_random(margin):
        parts.append("Mean over random draws.")
    if margin.init_statistics(NUM_CLASSES):
        parts.append("Running statistics have their initial values.")
    return " ".join(parts)


def _about_feature_loss(loss: type) -> str:
    curve = loss_curve(example(loss))
    return "" if curve is None else f"{curve.about} Left: the loss. Right: its force, the negative slope."


def _fields(about: Entry) -> list[str]:
    if not about.fields:
        return []
    lines = ["## Fields\n", "| field | default | unit | meaning |", "|---|---|---|---|"]
    for field in about.fields:
        default = f"`{field.default}`" if field.default else "none, must be given"
        lines.append(f"| `{field.name}` | {default} | {field.unit or '–'} | {_cell(_prose(field.meaning))} |")
    return [*lines, ""]


def _line(about: Entry) -> str:
    formula = " ".join(about.formula[0].split()) if about.formula else ""
    summary = about.summary.removeprefix(f"{about.name}: ").rstrip(".")
    return f"| [{about.name}]({about.name}.md) | {_cell(_prose(summary))} | `{_cell(formula)}` | {_paper(about)} |"


def _paper(about: Entry) -> str:
    """Authors, and arXiv number or venue, as far as the reference says them."""
    authors = re.split(r', "|, arXiv|; ', about.reference)[0]
    place = re.search(r"arXiv \d{4}\.\d{4,5}", about.reference) or re.search(r'(?<=", )[^,]+', about.reference)
    return _cell(_linked(f"{authors}, {place[0]}" if place else authors))


def _linked(text: str) -> str:
    return re.sub(r"arXiv (\d{4}\.\d{4,5})", r"[arXiv \1](https://arxiv.org/abs/\1)", text)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _prose(text: str) -> str:
    """Text as Markdown: what is indented is code as it is, elsewhere nothing becomes italics or a tag."""
    return "\n".join(
        line if line.startswith("    ") else re.sub(r"[*<]", lambda match: "\\" + match[0], line)
        for line in text.splitlines()
    )
