"""What a difference comes to in single figures, and conditions on them that a program can be stopped by."""

import difflib
import operator
import re
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal

from msgspec import Struct

from ..errors import InputError
from ..units import QUOTE_DECIMALS, parse_decimal
from .diff import Change, Diff

MEASURES: Mapping[str, tuple[str, str]] = {
    "liquidatable": ("accounts", "with a subaccount that becomes liquidatable"),
    "liquidatableNotional": ("USD", "notional of the subaccounts that become liquidatable"),
    "liquidatableEquity": ("USD", "equity in them"),
    "saved": ("accounts", "with a subaccount that is no longer liquidatable"),
    "liquidatableBefore": ("accounts", "with a liquidatable subaccount under the first rules"),
    "liquidatableAfter": ("accounts", "with a liquidatable subaccount under the second"),
    "short": ("accounts", "with a subaccount whose free collateral becomes negative"),
    "relieved": ("accounts", "with a subaccount whose free collateral is no longer negative"),
    "initialMargin": ("USD", "more initial margin asked in total"),
    "initialMarginPercent": ("%", "the same as a share of what was asked before"),
    "maintenanceMargin": ("USD", "more maintenance margin asked in total"),
    "maintenanceMarginPercent": ("%", "the same as a share of what was asked before"),
    "refused": ("accounts", "that the second rules cannot hold and the first can"),
    "unknown": ("accounts", "of which the file does not say enough to tell"),
}
"""Each measure with its unit and what it counts."""

PERCENT_DIGITS = Decimal("0.0001")
HUNDRED = 100

COMPARISONS: Mapping[str, Callable[[Decimal, Decimal], bool]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
}

_CONDITION = re.compile(r"\s*(?P<measure>\w+)\s*(?P<sign>[<>=!]=|[<>])\s*(?P<number>\S+)\s*")


def measures(found: Diff) -> dict[str, Decimal]:
    """All measures of a difference; a percentage of nothing is infinite."""
    bad = [change for change in found.changes if change.becomes_liquidatable]
    total = found.total
    initial_q = total.initial_after_q - total.initial_before_q
    maintenance_q = total.maintenance_after_q - total.maintenance_before_q
    return {
        "liquidatable": _accounts(bad),
        "liquidatableNotional": usd(sum(change.notional_q for change in bad)),
        "liquidatableEquity": usd(sum(change.before.equity_q or 0 for change in bad)),
        "saved": _accounts(change for change in found.changes if change.is_saved),
        "liquidatableBefore": Decimal(found.liquidatable_before),
        "liquidatableAfter": Decimal(found.liquidatable_after),
        "short": _accounts(change for change in found.changes if change.becomes_short),
        "relieved": _accounts(change for change in found.changes if change.is_relieved),
        "initialMargin": usd(initial_q),
        "initialMarginPercent": _percent(initial_q, total.initial_before_q),
        "maintenanceMargin": usd(maintenance_q),
        "maintenanceMarginPercent": _percent(maintenance_q, total.maintenance_before_q),
        "refused": Decimal(sum(refused.only_after for refused in found.refused)),
        "unknown": Decimal(found.unknown),
    }


def _accounts(changes: Iterable[Change]) -> Decimal:
    return Decimal(len({change.account for change in changes}))


def usd(amount_q: int) -> Decimal:
    """An amount in USD."""
    return Decimal(amount_q).scaleb(-QUOTE_DECIMALS)


def _percent(more: int, base: int) -> Decimal:
    if base == 0:
        return Decimal("Infinity") if more > 0 else Decimal(0)
    return (Decimal(more * HUNDRED) / Decimal(base)).quantize(PERCENT_DIGITS)


class Condition(Struct, frozen=True):
    """A condition on a measure, such as `liquidatable>0`."""

    text: str
    measure: str
    sign: str
    number: Decimal
    meaning: tuple[str, str]
    """Unit of the measure, and what it counts."""

    def holds(self, values: Mapping[str, Decimal]) -> bool:
        """Whether the measures meet it."""
        return COMPARISONS[self.sign](values[self.measure], self.number)

    def sentence(self, values: Mapping[str, Decimal]) -> str:
        """What is said where it holds."""
        unit, what = self.meaning
        return f"--fail-if {self.text}: {self.measure} is {plain(values[self.measure])} ({unit} {what})"


def plain(value: Decimal) -> str:
    """A measure as text, without a power of ten."""
    return "infinite" if value.is_infinite() else format(value.normalize(), "f")


def condition(text: str, known: Mapping[str, tuple[str, str]] = MEASURES) -> Condition:
    """Read a condition: the name of a known measure, a comparison and a number."""
    match = _CONDITION.fullmatch(text)
    if match is None or match["sign"] not in COMPARISONS:
        signs = " ".join(COMPARISONS)
        raise InputError(
            f"--fail-if {text}: expected a measure, one of {signs}, and a number, such as liquidatable>0"
        )
    name = match["measure"]
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"
        raise InputError(f"--fail-if {text}: no measure is called {name!r}; {hint}")
    number = parse_decimal(match["number"], f"--fail-if {text}")
    return Condition(text.strip(), name, match["sign"], number, known[name])
