"""dYdX v4: every kind of its cases."""

from .dydx_v4_docs import DOCS_KINDS
from .dydx_v4_margin import MARGIN_KINDS
from .dydx_v4_state import STATE_KINDS
from .vectors import Rule

KINDS: dict[str, Rule] = {**MARGIN_KINDS, **STATE_KINDS, **DOCS_KINDS}
