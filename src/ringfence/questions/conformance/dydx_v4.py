"""dYdX v4: every kind of its cases."""

from collections.abc import Callable

from .dydx_v4_docs import DOCS_KINDS
from .dydx_v4_margin import MARGIN_KINDS
from .dydx_v4_state import STATE_KINDS
from .vectors import Case, Value

KINDS: dict[str, Callable[[Case], dict[str, Value]]] = {**MARGIN_KINDS, **STATE_KINDS, **DOCS_KINDS}
