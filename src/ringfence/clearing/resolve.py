"""What is due: the next liquidation or waterfall step, one command at a time.

`resolve` is what a venue's keeper does after prices or funding moved. It decides nothing about money: it only proposes
commands in the order of the rulebook and lets `decide` judge each. A subaccount for which nothing is accepted (a block
limit, a cooldown, nobody to deleverage against) is left for the next call.
"""

from collections.abc import Iterable, Iterator

from ..rules.close import slipped_price
from . import command as cmd
from .liquidation import owed_q
from .log import Clearinghouse
from .model import QUOTE, Subaccount, Venue
from .risk import is_liquidatable, market_risk, subaccount_risk
from .verdict import Accepted, Reason, Rejected, Verdict

Step = tuple[cmd.AnyCommand, Accepted]

BACKSTOP = "backstop"
"""Id of the system subaccount that takes over where the rulebook has a backstop."""


class Fills:
    """What liquidation orders find in the market: the mark, or a price worse by a stated slippage."""

    def __init__(self, slippage_ppm: int = 0, draw: int = 0) -> None:
        self.slippage_ppm, self.draw = slippage_ppm, draw

    def price(self, venue: Venue, subaccount: Subaccount, market_id: str) -> int:
        """Price quanta at which a position's liquidation fills; 0 stands for the mark."""
        if not self.slippage_ppm:
            return 0
        sells = subaccount.positions[market_id].size_b > 0
        return slipped_price(venue.markets[market_id].mark, self.slippage_ppm, sells)


def order_of_markets(venue: Venue, subaccount: Subaccount) -> list[str]:
    """Markets of a subaccount in the order of liquidation: largest maintenance margin first, then by name."""
    freed = {market: market_risk(venue, subaccount, market).maintenance_q for market in subaccount.positions}
    return sorted(freed, key=lambda market: (-freed[market], market))


def proposals(venue: Venue, subaccount: Subaccount, fills: Fills) -> Iterator[cmd.AnyCommand]:
    """Commands to try for one subaccount, in order; the caller stops at the first that is accepted."""
    if not subaccount.positions:
        if subaccount.quote_q < 0:
            yield from _sales(subaccount)
        return
    if not is_liquidatable(venue, subaccount):
        return
    name = subaccount.id
    if owed_q(venue, subaccount) > 0:
        yield from _sales(subaccount)
    close = venue.policy.liquidation
    risk = subaccount_risk(venue, subaccount)
    if close.backstop_num and risk.equity_q * close.backstop_den < risk.maintenance_q * close.backstop_num:
        yield cmd.TakeOver(name, BACKSTOP)
    for order in sorted(subaccount.orders):
        yield cmd.Release(name, order)
    for market_id in order_of_markets(venue, subaccount):
        price = fills.price(venue, subaccount, market_id)
        yield cmd.Liquidate(name, market_id, 0, price)
        if risk.equity_q <= 0:
            if venue.policy.insurance == "continuous":
                yield cmd.DrawInsurance(venue.markets[market_id].pool, name, market_id)
            yield cmd.Deleverage(name, market_id, fills.draw)
            yield cmd.Liquidate(name, market_id, 0, price)


def _sales(subaccount: Subaccount) -> Iterator[cmd.AnyCommand]:
    for asset in sorted(subaccount.balances):
        if asset != QUOTE and subaccount.balances[asset] > 0:
            yield cmd.SellCollateral(subaccount.id, asset)


def resolve(house: Clearinghouse, names: Iterable[str], fills: Fills | None = None) -> list[Step]:
    """Settle every named subaccount that is due, and then the pools' bad debt; returns what was accepted."""
    found = fills or Fills()
    done: list[Step] = []
    for name in names:
        while (step := _next(house, name, found)) is not None:
            done.append(step)
    for pool in sorted(house.venue.pools):
        if house.venue.debt_q(pool) > 0:
            for command in (cmd.DrawInsurance(pool), cmd.Socialize(pool)):
                verdict = house.submit(command)
                if isinstance(verdict, Accepted):
                    done.append((command, verdict))
    return done


def _next(house: Clearinghouse, name: str, fills: Fills) -> Step | None:
    """Submit proposals until one is accepted and changed something; `None` when nothing is left to do."""
    for command in proposals(house.venue, house.venue.subaccounts[name], fills):
        verdict = house.submit(command)
        if isinstance(verdict, Accepted) and _progress(command, verdict):
            return command, verdict
        if _over(verdict):
            return None
    return None


def _progress(command: cmd.AnyCommand, verdict: Accepted) -> bool:
    """A deleveraging that closed nothing (it only closes withdrawals) is no progress."""
    return not (isinstance(command, cmd.Deleverage) and len(verdict.events) < 3)  # noqa: PLR2004


def _over(verdict: Verdict) -> bool:
    """Nothing more can be done in this block or before the cooldown ends."""
    return isinstance(verdict, Rejected) and verdict.reason is Reason.COOLDOWN
