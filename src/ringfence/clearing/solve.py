"""Inverse questions, answered by exact search over the rule itself: never by a second formula.

Liquidation price, uniform move to liquidation, largest trade, largest withdrawal, removable margin, what-if. Everything
here asks `risk` or `decide` at a candidate and narrows the candidates; nothing knows the shape of a margin rule, only
`stops` says where a rule may bend or jump, so that between two of them there is at most one root.
"""

from collections.abc import Callable, Iterable, Sequence
from copy import copy
from fractions import Fraction

from msgspec import Struct
from msgspec.structs import replace

from ..rules.words import PPM, abs_, max_, min_, mul_div_down, mul_div_up, power_of_ten
from . import command as cmd
from .decide import LIMIT, decide
from .draft import Draft
from .model import QUOTE, Asset, Grid, Market, Position, Scale, Side, Subaccount, Venue, market_subaccount
from .risk import (
    Prices,
    Risk,
    exposed_markets,
    is_liquidatable,
    market_risk,
    risk_price,
    subaccount_risk,
)
from .search import frontier, largest
from .shapes import bends, on_grid, tiers_on_grid
from .stops import Moved, stops
from .verdict import Accepted, Verdict

PRICE_MAX = LIMIT - 1
PROBE = "solve/counterparty"
"""System subaccount that takes the other side of hypothetical trades."""


class WhatIf(Struct, frozen=True):
    """A subaccount's risk before and after hypothetical commands, and the verdict of each."""

    before: Risk
    after: Risk
    verdicts: tuple[Verdict, ...]


def liquidation_price(venue: Venue, subaccount: Subaccount, market_id: str) -> int | None:
    """Price (quanta) of one market at which the subaccount becomes liquidatable, all else held; nearest to the mark.

    At it the subaccount is liquidatable, one quantum before it (coming from the safe side) it is not; `None` when no
    positive price liquidates it. For a subaccount that is liquidatable now it is the last such price before safety;
    `None` for a flagged one, which no price saves.
    """
    if market_id not in subaccount.positions or subaccount.flagged:
        return None
    moved = Moved(venue, subaccount, venue.markets[market_id])
    return _nearest_root(moved.above_trigger_q, moved.now, stops(moved, PRICE_MAX), PRICE_MAX)


def _nearest_root(surplus: Callable[[int], int], mark: int, between: Sequence[int], most: int) -> int | None:
    """Price up to `most` nearest to the mark at which the surplus changes sides of zero."""
    down = frontier(surplus, mark, [*(price for price in reversed(between) if price < mark), 1])
    up = frontier(surplus, mark, [*(price for price in between if price > mark), most])
    roots = [price for price in (down, up) if price is not None]
    return min(roots, key=lambda price: (abs_(price - mark), price)) if roots else None


def displayed_price(
    venue: Venue,
    subaccount: Subaccount,
    market_id: str,
    *,
    at_mark: bool = False,
    from_rounded: bool = False,
    digits: int = 24,
) -> Fraction | None:
    """Root of the margin rule without rounding, in price quanta, as venues display it (`venueLiquidationPrice`).

    `at_mark` keeps the position's maintenance margin at its present value (Hyperliquid in 2023). `from_rounded` starts
    from the surplus as the venue rounds it at the mark and moves exactly from there (Hyperliquid cross accounts).
    Exact to `digits` decimal places of a price quantum.
    """
    if market_id not in subaccount.positions:
        return None
    fine, twin = refine(venue, subaccount, price_digits=digits, quote_digits=digits)
    factor = power_of_ten(digits)
    if from_rounded:
        rounded_q, exact_q = (
            subaccount_risk(venue, subaccount).surplus_q * factor,
            subaccount_risk(fine, twin).surplus_q,
        )
        twin.balances[QUOTE] = twin.quote_q + rounded_q - exact_q
    moved, most = Moved(fine, twin, fine.markets[market_id]), PRICE_MAX * factor
    if at_mark:
        total, own = subaccount_risk(fine, twin), market_risk(fine, twin, market_id)

        def surplus(price: int) -> int:
            return total.surplus_q + market_risk(fine, twin, market_id, price).equity_q - own.equity_q

        found = _nearest_root(surplus, moved.now, (), most)
    else:
        found = _nearest_root(moved.above_trigger_q, moved.now, stops(moved, most), most)
    return None if found is None else Fraction(found, factor)


def refine(
    venue: Venue, subaccount: Subaccount, *, price_digits: int, quote_digits: int
) -> tuple[Venue, Subaccount]:
    """The same state on finer grids: prices in 10**-`price_digits` quanta, quote in 10**-`quote_digits` atoms.

    The rules are read unchanged; only their roundings shrink. Holds for risk and liquidation prices of `subaccount`.
    """
    fine, price, quote = copy(venue), power_of_ten(price_digits), power_of_ten(quote_digits)
    followed = {asset.market for asset in venue.assets.values() if asset.market in venue.markets}
    exposed = exposed_markets(subaccount)
    optioned = {option.underlying for name in exposed if (option := venue.markets[name].option)}
    names = {*exposed, *followed, *optioned}
    fine.markets = {name: _refined_market(venue.markets[name], price, quote) for name in names}
    fine.assets = {name: _refined_asset(asset, price, quote) for name, asset in venue.assets.items()}
    pools = (venue.subaccounts.get(market_subaccount(name)) for name in names)
    fine.subaccounts = {pool.id: _refined_holder(pool, quote) for pool in pools if pool is not None}
    return fine, _refined_holder(subaccount, quote)


def _refined_holder(subaccount: Subaccount, quote: int) -> Subaccount:
    twin = copy(subaccount)
    twin.balances = {**subaccount.balances, QUOTE: subaccount.quote_q * quote}
    twin.positions = {
        name: Position(held.size_b, held.cost_q * quote, held.funding_index * quote)
        for name, held in subaccount.positions.items()
    }
    return twin


def _refined_market(market: Market, price: int, quote: int) -> Market:
    option, grid = market.option, market.grid
    return replace(
        on_grid(market, quote=quote),
        scale=Scale(market.scale.num * quote, market.scale.den * price),
        mark=market.mark * price,
        index=market.index * price,
        previous_mark=market.previous_mark * price,
        funding_index=market.funding_index * quote,
        longs=_refined_side(market.longs, quote),
        shorts=_refined_side(market.shorts, quote),
        option=option and replace(option, strike=option.strike * price),
        terms=tuple(replace(term, forward=term.forward * price) for term in market.terms),
        grid=grid and Grid(*(tuple(at * price for at in side) for side in (grid.low, grid.high))),
    )


def _refined_side(side: Side, quote: int) -> Side:
    return Side(side.size_b, side.cost_q * quote)


def _refined_asset(asset: Asset, price: int, quote: int) -> Asset:
    scale = Scale(asset.scale.num * quote, asset.scale.den * price)
    return replace(asset, scale=scale, price=asset.price * price, haircut=tiers_on_grid(asset.haircut, quote))


def uniform_move_ppm(venue: Venue, subaccount: Subaccount, most_ppm: int = 10 * PPM) -> int | None:
    """Smallest common move of all the subaccount's markets but options, in ppm of their prices, that liquidates it.

    Negative is a fall. Moves up to a fall of 100 % and a rise of `most_ppm` are searched; 0 when it is liquidatable
    now, or has less than nothing left and too little to ask margin for.
    """
    markets = (venue.markets[name] for name in subaccount.positions)
    prices = {market.id: risk_price(venue, market) for market in markets if market.option is None}
    if not prices:
        return None

    def surplus(move_ppm: int) -> int:
        moved = {name: max_(1, mul_div_down(price, PPM + move_ppm, PPM)) for name, price in prices.items()}
        risk = subaccount_risk(venue, subaccount, moved)
        # At a price of next to nothing the requirement rounds to zero; equity below zero then says the same.
        return min_(risk.above_trigger_q(at_equality=venue.policy.trigger_at_equality), risk.equity_q)

    if is_liquidatable(venue, subaccount) or surplus(0) < 0:
        return 0
    stops = sorted(_bending_moves_ppm(venue, subaccount, prices))
    down = frontier(surplus, 0, [*(move for move in reversed(stops) if -PPM < move < 0), -PPM])
    up = frontier(surplus, 0, [*(move for move in stops if 0 < move < most_ppm), most_ppm])
    roots = [root for root in (down, up) if root is not None]
    return min(roots, key=lambda move: (abs_(move), move)) if roots else None


def _bending_moves_ppm(venue: Venue, subaccount: Subaccount, prices: Prices) -> set[int]:
    """Common moves, both sides of each, at which what one of the markets asks may bend or jump."""
    found = set[int]()
    for name, now in prices.items():
        market = venue.markets[name]
        alone = venue.policy.set_rule is None and market.solvency is None
        size_b = subaccount.positions[name].size_b
        prices_of = (
            bends(market, size_b, PRICE_MAX) if alone else stops(Moved(venue, subaccount, market), PRICE_MAX)
        )
        for price in prices_of:
            move = mul_div_up(price, PPM, now) - PPM
            found.update((move - 1, move))
    return found


def max_trade_b(venue: Venue, name: str, market_id: str, *, buy: bool, price: int = 0) -> int:
    """Most lots (unsigned) that `name` may buy or sell at `price` (the mark when 0), fees included."""
    market = venue.markets[market_id]
    at, sign = price or market.mark, 1 if buy else -1
    draft = _with_probe(venue)
    held = venue.subaccounts[name].positions.get(market_id)
    floor_b = abs_(held.size_b) if held is not None and (held.size_b > 0) != buy else 0
    base = mul_div_down(floor_b, 1, market.step_b)

    def accepted(steps: int) -> bool:
        lots_b = sign * (base + steps) * market.step_b
        return isinstance(decide(draft, cmd.Trade(market_id, lots_b, at, name, PROBE)), Accepted)

    return (base + largest(accepted, mul_div_down(LIMIT - 1, 1, market.step_b) - base)) * market.step_b


def _with_probe(venue: Venue) -> Venue:
    """The venue with a counterparty for hypothetical trades; the venue itself is not touched."""
    twin = copy(venue)
    twin.subaccounts = {**venue.subaccounts, PROBE: Subaccount(PROBE, PROBE, system=True)}
    return twin


def max_withdrawal(venue: Venue, name: str, asset: str = QUOTE) -> int:
    """Most atoms of `asset` that may be withdrawn now."""
    free_q = subaccount_risk(venue, venue.subaccounts[name]).free_q

    def accepted(amount: int) -> bool:
        return isinstance(decide(venue, cmd.Withdraw(name, asset, amount)), Accepted)

    return largest(accepted, LIMIT - 1, free_q)


def removable_margin_q(venue: Venue, source: str, target: str) -> int:
    """Most quote that may move from `source` to `target`, both subaccounts of one account."""
    free_q = subaccount_risk(venue, venue.subaccounts[source]).free_q

    def accepted(amount: int) -> bool:
        return isinstance(decide(venue, cmd.TransferMargin(source, target, QUOTE, amount)), Accepted)

    return largest(accepted, LIMIT - 1, free_q)


def what_if(venue: Venue, name: str, commands: Iterable[cmd.AnyCommand]) -> WhatIf:
    """Risk of `name` before and after hypothetical commands; a rejected one changes nothing."""
    draft = Draft(venue)
    before, verdicts = subaccount_risk(venue, venue.subaccounts[name]), []
    for command in commands:
        verdict = decide(draft.venue, command)
        verdicts.append(verdict)
        if isinstance(verdict, Accepted):
            for event in verdict.events:
                draft.emit(event)
    return WhatIf(before, subaccount_risk(draft.venue, draft.subaccount(name)), tuple(verdicts))
