"""dYdX v3's settlement layer asked of our engine: total value, total risk, and which changes of a position are legal.

StarkEx counts worth with 32 binary places and risk with 64. An account is built on that grid, where the engine's
arithmetic is exact: equity is total value and maintenance margin is total risk. Errors have the program's names.

Source: `starkware-libs/stark-perpetual@40f02826`, below `src/services/perpetual/cairo/`: `position/status.cairo`,
`position/validate_state_transition.cairo`, `transactions/deleverage.cairo`.
"""

from collections.abc import Iterable
from fractions import Fraction
from typing import NamedTuple

from ...clearing.model import QUOTE, Market, Position, Scale, Subaccount, Venue
from ...clearing.policy import Policy, Step, Stepped
from ...clearing.risk import Risk, subaccount_risk
from ...errors import InputError
from ...rules import fixed_point as fxp
from ...rules import transition as rule
from ...units import QUOTE_DECIMALS
from .vectors import Case, Field, Ours, Rule

SUCCESS = "SUCCESS"
ENLARGING = "ILLEGAL_POSITION_TRANSITION_ENLARGING_SYNTHETIC_HOLDINGS"
REDUCING_RATIO = "ILLEGAL_POSITION_TRANSITION_REDUCING_TOTAL_VALUE_RISK_RATIO"
REDUCING_VALUE = "ILLEGAL_POSITION_TRANSITION_NO_RISK_REDUCED_VALUE"
VALUE_RANGE, RISK_RANGE = "OUT_OF_RANGE_TOTAL_VALUE", "OUT_OF_RANGE_TOTAL_RISK"
NOT_LIQUIDATABLE, NOT_DELEVERAGABLE = "UNLIQUIDATABLE_POSITION", "UNDELEVERAGABLE_POSITION"
UNFAIR = "UNFAIR_DELEVERAGE"
POOL = "pool"
BALANCE_LIMIT = 2**63
PRICE_LIMIT = 2**64


class Status(NamedTuple):
    """A position's holdings, total value and total risk, the two with 64 binary places."""

    holdings: dict[str, int]
    risk: Risk

    @property
    def value(self) -> int:
        """Total value."""
        return self.risk.equity_q

    @property
    def error(self) -> str | None:
        """Why the program cannot hold this status, if it cannot."""
        if not fxp.is_value_in_range(self.value):
            return VALUE_RANGE
        return None if fxp.is_risk_in_range(self.risk.maintenance_q) else RISK_RANGE

    @property
    def well_leveraged(self) -> bool:
        """Whether total value covers total risk."""
        return fxp.is_well_leveraged(self.value, self.risk.maintenance_q)


def markets_of(rule_field: Field) -> dict[str, Market]:
    """The synthetic assets, each with its oracle price and its step function of risk factors."""
    by_balance = rule_field.get("risk_by_balance_only")
    by_size = by_balance is not None and by_balance.flag()
    segments = rule_field["risk_segments"]
    found = {}
    for name, stated in rule_field["prices_3232"].entries().items():
        price = stated.integer(1, PRICE_LIMIT - 1)
        shape = Stepped(
            tuple(steps(segments[name], by_size=by_size)), fxp.FXP_32, "size" if by_size else "notional"
        )
        found[name] = Market(name, Scale(fxp.FXP_32, 1), shape, POOL, mark=price, index=price)
    return found


def steps(segments: Field, *, by_size: bool) -> Iterable[Step]:
    """Segments as steps. The program's bounds belong to the segment that they end, ours to the one that they begin."""
    lower, unit = 0, 1 if by_size else fxp.FXP_32
    for segment in segments:
        upper, stated = pair(segment)
        factor = risk_factor(stated)
        yield Step(lower * unit, factor, factor)
        lower = upper.integer(least=lower) + 1
    if not lower:
        raise InputError(f"{segments.where}: expected at least one segment, got none")


def pair(segment: Field) -> tuple[Field, Field]:
    """The inclusive upper bound of a segment and its risk factor."""
    parts = [*segment]
    if len(parts) != 2:  # noqa: PLR2004
        raise InputError(
            f"{segment.where}: expected an upper bound and a risk factor, got {len(parts)} items"
        )
    return parts[0], parts[1]


def risk_factor(stated: Field) -> int:
    """A risk factor, given with 32 binary places or as a rate."""
    number = stated.fraction()
    if number.denominator == 1:
        return stated.integer(1, fxp.FXP_32 - 1)
    return fxp.risk_factor_fxp32(number.numerator, number.denominator)


def status(markets: dict[str, Market], collateral_q: int, positions: Iterable[Field]) -> Status:
    """What the engine says of a position on the program's grid."""
    account = Subaccount("position", "position", balances={QUOTE: fxp.collateral_fxp64(collateral_q)})
    for held in positions:
        name, size_b = held["market"].text(), held["size_units"].integer(-BALANCE_LIMIT, BALANCE_LIMIT - 1)
        if name not in markets:
            raise InputError(f"{held.where}: no price for {name}")
        if name in account.positions:
            raise InputError(f"{held.where}: {name} stands twice")
        if size_b:
            account.positions[name] = Position(size_b, 0, 0)
    risk = subaccount_risk(Venue(Policy(), markets, subaccounts={account.id: account}), account)
    return Status({name: held.size_b for name, held in account.positions.items()}, risk)


def transition(before: Status, after: Status) -> str:
    """Whether the program accepts a change, under its own name for what is wrong."""
    if after.error:
        return after.error
    if after.well_leveraged:
        return SUCCESS
    if before.error:
        return before.error
    if not all(
        rule.is_smaller(before.holdings.get(name, 0), size_b) for name, size_b in after.holdings.items()
    ):
        return ENLARGING
    values = (before.value, before.risk.maintenance_q, after.value)
    if not rule.keeps_ratio(*values, after.risk.maintenance_q):
        return REDUCING_RATIO
    return SUCCESS if rule.keeps_value(*values) else REDUCING_VALUE


def liquidation(before: Status, after: Status) -> str:
    """Whether the change may be a liquidation of this position."""
    if before.error or before.well_leveraged:
        return before.error or NOT_LIQUIDATABLE
    return transition(before, after) if shrinks(before, after) else ENLARGING


def deleverage(before: Status, after: Status) -> str:
    """Whether the change may be a deleveraging of this position: insolvent before, and not one atom too generous."""
    found = transition(before, after)
    if found != SUCCESS:
        return found
    if before.value >= 0:
        return NOT_DELEVERAGABLE
    changed = (before.value, before.risk.maintenance_q, after.value, after.risk.maintenance_q)
    return SUCCESS if rule.is_fair(*changed, fxp.collateral_fxp64(1)) else UNFAIR


def shrinks(before: Status, after: Status) -> bool:
    """Whether no holding grew or changed sides."""
    return all(
        rule.is_smaller(before.holdings.get(name, 0), size_b) for name, size_b in after.holdings.items()
    )


def position_transition(case: Case) -> Ours:
    """Both states of a position and what the program says of the change from the one to the other."""
    body, action = case.body, case.body["action"]
    markets = markets_of(body["rule"])
    collateral_q = sum(held["quantums"].integer() for held in body.items("collateral"))
    before = status(markets, collateral_q, body.items("positions"))
    updated_q = action["updated_collateral"].integer()
    after = status(markets, updated_q, action.items("updated_positions"))
    return {
        **shown("initial", before),
        **shown("updated", after),
        "transition": transition(before, after),
        "liquidation": liquidation(before, after),
        "deleverage": deleverage(before, after),
    }


def shown(when: str, found: Status) -> Ours:
    """A status under the names of the cases."""
    risk_fxp64 = found.risk.maintenance_q
    usd = fxp.collateral_fxp64(10**QUOTE_DECIMALS)
    return {
        f"{when}_tv_fp32": Fraction(found.value, fxp.FXP_32),
        f"{when}_tr_fp64": risk_fxp64,
        f"{when}_equity_usd": Fraction(found.value, usd),
        f"{when}_mm_usd": Fraction(risk_fxp64, usd),
        f"{when}_liquidatable": not found.well_leveraged,
        f"{when}_deleveragable": found.value < 0,
    }


KINDS: dict[str, Rule] = {"position_transition": position_transition}
