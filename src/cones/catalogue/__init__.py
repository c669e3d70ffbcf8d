"""Every loss with formula, fields, reference, cost and use: from its docstring and its class, as text and pages."""

from ._cost import cost as cost
from ._entry import Entry as Entry
from ._entry import Field as Field
from ._entry import entry as entry
from ._find import LONG_TAIL as LONG_TAIL
from ._find import every_loss as every_loss
from ._find import example as example
from ._find import find_loss as find_loss
from ._page import has_picture as has_picture
from ._page import index as index
from ._page import page as page
from ._text import describe as describe
from ._text import describe_in_full as describe_in_full
from ._text import loss_table as loss_table

__all__ = [
    "LONG_TAIL",
    "Entry",
    "Field",
    "cost",
    "describe",
    "describe_in_full",
    "entry",
    "every_loss",
    "example",
    "find_loss",
    "has_picture",
    "index",
    "loss_table",
    "page",
]
