"""Every loss with its formula, defaults and reference, read from its docstring."""

import inspect
import re

from . import feature_losses, margins


def loss_table() -> str:
    """Text that lists the margins and the feature losses: summary, formula, defaults, reference."""
    parts = []
    for title, module in (("Softmax-margin losses", margins), ("Feature losses, joined with a weight", feature_losses)):
        parts.append(f"{title}\n{'=' * len(title)}\n")
        parts += [describe(getattr(module, name)) for name in sorted(module.__all__, key=str.lower)]
    return "\n".join(parts)


def describe(loss: type) -> str:
    """Name with defaults, summary, formula and reference of one loss.

    Example:
        >>> print(describe(margins.CosFace))
        CosFace(margin=0.35, scale=64.0)
          CosFace, also known as AM-Softmax: a margin subtracted from the cosine.
              t = s (cos(theta_y) - m),   o_j = s cos(theta_j)
          Wang et al., "CosFace: ...
    """
    text = inspect.cleandoc(loss.__doc__ or "")
    summary, _, rest = text.partition("\n")
    formula = [line.strip() for line in rest.split("Args:")[0].splitlines() if line.startswith("    ")]
    reference = re.search(r"Reference: (.*?)(?:\n\n|\Z)", text, flags=re.DOTALL)
    fields = ", ".join(
        str(parameter).replace("'", "").split(":")[0] + (f"={parameter.default!r}" if _has_default(parameter) else "")
        for parameter in inspect.signature(loss).parameters.values()
    )
    lines = [f"{loss.__name__}({fields})", f"  {summary}", *(f"      {line}" for line in formula)]
    if reference is not None:
        lines.append("  " + " ".join(reference[1].split()))
    return "\n".join(lines) + "\n"


def _has_default(parameter: inspect.Parameter) -> bool:
    return parameter.default is not inspect.Parameter.empty
