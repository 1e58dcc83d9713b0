"""dYdX v4: every kind of its cases."""

from collections.abc import Callable

from . import dydx_v4_docs, dydx_v4_margin, dydx_v4_state
from .vectors import Case, Value

KINDS: dict[str, Callable[[Case], dict[str, Value]]] = {
    **dydx_v4_margin.KINDS,
    **dydx_v4_state.KINDS,
    **dydx_v4_docs.KINDS,
}
