"""An account in one line: what all its subaccounts ask together, and where it is liquidated first."""

from collections.abc import Iterable
from fractions import Fraction

from msgspec import Struct
from msgspec.structs import replace

from ..clearing import solve
from ..clearing.model import Subaccount, Venue
from ..clearing.risk import Risk, risk_price, subaccount_risk, worth_q
from ..rules.words import PPM
from ..units import QUOTE_DECIMALS, format_atoms, format_fraction
from .build import UNLISTED, Built, Part
from .repriced import uniform_move_ppm

LEVERAGE_DECIMALS = 2
MOVE_DECIMALS = 4
"""Percent of so many decimals hold a whole number of parts per million."""


class PriceLine(Struct, frozen=True):
    """Where a position is liquidated with all else held: `None` where no price does it or nobody can know."""

    market: str
    subaccount: str
    price: str | None


class Summary(Struct, frozen=True):
    """One account in one arrangement under one rulebook: sums over its subaccounts, and the first liquidation.

    Amounts are quote atoms. `None` stands for what depends on something that the file does not say. `max_leverage` is
    the largest at which the venue lets these positions be opened together, `move_ppm` the smallest common move of all
    marks at which a subaccount is liquidatable (negative is a fall; `None` also where no move does it). Who is short
    only because nobody priced a collateral asset is not called liquidatable: both are `None`.
    """

    account: str
    mode: str
    equity_q: int | None
    initial_q: int | None
    maintenance_q: int
    max_leverage: Fraction | None
    liquidatable: bool | None
    move_ppm: int | None
    prices: tuple[PriceLine, ...]
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, object]:
        """The summary under the names that figures have everywhere."""
        prices = {line.market: line.price for line in self.prices}
        if len(prices) < len(self.prices):
            prices = {line.subaccount + ":" + line.market: line.price for line in self.prices}
        return {
            "venueMode": self.mode,
            "equity": amount(self.equity_q),
            "initialMargin": amount(self.initial_q),
            "maintenanceMargin": amount(self.maintenance_q),
            "maxLeverage": leverage(self.max_leverage),
            "liquidatable": self.liquidatable,
            "uniformMoveToLiquidation": move(self.move_ppm),
            "liquidationPrices": prices,
        }


def summarize(built: Built, mode: str = "", *, search: bool = True) -> Summary:
    """Sum up an account that stands in the engine; `mode` names the arrangement where the venue has no word for it.

    Without `search`, what takes a search is left out: the move and the prices.
    """
    parts = [part for part in built.parts if part.held or built.account.collateral]
    states = [(part, built.venue.subaccounts[part.subaccount]) for part in parts]
    risks = [subaccount_risk(built.venue, subaccount) for _, subaccount in states]
    known = all(part.knows_collateral for part in parts)
    whole = all(UNLISTED not in subaccount.positions for _, subaccount in states)
    at_equality = built.venue.policy.trigger_at_equality
    bad = [risk.liquidatable(at_equality=at_equality) for risk in risks]
    counted = known and not any(
        short and _is_unpriced(part, subaccount)
        for short, (part, subaccount) in zip(bad, states, strict=True)
    )
    return Summary(
        account=built.account.name,
        mode=built.mode or mode,
        equity_q=sum(risk.equity_q for risk in risks) if known else None,
        initial_q=sum(risk.initial_q for risk in risks) if whole else None,
        maintenance_q=sum(risk.maintenance_q for risk in risks),
        max_leverage=_max_leverage(built, [subaccount for _, subaccount in states]) if whole else None,
        liquidatable=any(bad) if counted else None,
        move_ppm=_nearest_move(built, states) if search and counted and whole else None,
        prices=tuple(_price_lines(built, states)) if search else (),
        notes=built.notes,
    )


def _max_leverage(built: Built, subaccounts: Iterable[Subaccount]) -> Fraction | None:
    """Notional over what initial margin asks of those who open at the mark and choose no lower leverage.

    They have paid what the positions are worth, so no profit is left out of what counts as margin.
    """
    total = sum((subaccount_risk(built.venue, _opened(built.venue, each)) for each in subaccounts), Risk())
    return Fraction(total.notional_q, total.initial_q) if total.initial_q else None


def _opened(venue: Venue, subaccount: Subaccount) -> Subaccount:
    """The same positions bought at the mark, without a leverage of choice."""
    fresh = {}
    for name, position in subaccount.positions.items():
        market = venue.markets[name]
        cost_q = worth_q(market, position.size_b, risk_price(venue, market), venue.policy.rounding)
        fresh[name] = replace(position, cost_q=cost_q)
    return replace(subaccount, positions=fresh, leverages={})


def _is_unpriced(part: Part, subaccount: Subaccount) -> bool:
    """Whether an asset that backs a subaccount counts for nothing as nobody states its price."""
    return any(held and asset not in subaccount.balances for asset, held in part.assets.items())


def _nearest_move(built: Built, states: Iterable[tuple[Part, Subaccount]]) -> int | None:
    moves = (uniform_move_ppm(built, subaccount) for _, subaccount in states)
    return min((found for found in moves if found is not None), key=abs, default=None)


def _price_lines(built: Built, states: Iterable[tuple[Part, Subaccount]]) -> Iterable[PriceLine]:
    for part, subaccount in states:
        for each in part.held:
            found = None
            if part.knows_collateral and each.position.option is None:
                found = solve.liquidation_price(built.venue, subaccount, each.market)
            decimals = built.venue.markets[each.market].price_decimals
            text = None if found is None else format_atoms(found, decimals)
            yield PriceLine(each.market, part.subaccount, text)


def amount(quote_q: int | None) -> str | None:
    """Quote atoms as text."""
    return None if quote_q is None else format_atoms(quote_q, QUOTE_DECIMALS)


def leverage(exact: Fraction | None) -> str | None:
    """A leverage as text."""
    return None if exact is None else format_fraction(exact, LEVERAGE_DECIMALS)


def move(move_ppm: int | None) -> str | None:
    """A move as percent."""
    return None if move_ppm is None else format_fraction(Fraction(move_ppm * 100, PPM), MOVE_DECIMALS)
