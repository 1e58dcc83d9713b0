"""What is known afterwards: the least collateral that survives a path, and the best split over isolated positions."""

from collections.abc import Iterable, Sequence

from ringfence.clearing.model import Venue
from ringfence.clearing.risk import leg_risk
from ringfence.sim.curves import Curves
from ringfence.sim.flow import FlowAccount, Leg
from ringfence.sim.partition import BestSplit


def initial_margin_q(venue: Venue, legs: Iterable[tuple[str, int]]) -> int:
    """Initial margin of some legs at the venue's present prices, at no chosen leverage."""
    rounds = venue.policy.rounding
    return sum(
        leg_risk(venue.markets[m], size_b, venue.markets[m].mark, rounds).initial_q for m, size_b in legs
    )


def survival_q(curves: Curves, legs: Iterable[Leg], entered: Venue) -> int:
    """Least collateral behind some legs that survives the path."""
    sizes = {leg.market: leg.size_b for leg in legs}
    if not sizes:
        return 0
    rounds = entered.policy.rounding
    cost_q = sum(
        leg_risk(entered.markets[m], size_b, entered.markets[m].mark, rounds).equity_q
        for m, size_b in sizes.items()
    )
    return curves.survival_q(sizes, cost_q)


def best_split(curves: Curves, venue: Venue) -> BestSplit:
    """Arm d: with hindsight, which positions deserve enough margin to survive and which the least.

    A position is worth saving when ending the path beats losing its initial margin; the budget goes first to where
    a dollar saves most. Greedy, so a lower bound of the best split (each position is saved whole or not at all).
    """

    def best(account: FlowAccount, groups: Sequence[tuple[Leg, ...]]) -> list[int]:
        least = [initial_margin_q(venue, ((leg.market, leg.size_b) for leg in legs)) for legs in groups]
        apart = {leg.market for legs in groups for leg in legs}
        main_q = sum(leg.posted_q for leg in account.legs if leg.market not in apart)
        budget_q, posted, options = account.equity_q - main_q - sum(least), list(least), []
        for at, legs in enumerate(groups):
            extra_q = survival_q(curves, legs, venue) - least[at]
            gain_q = _final_gain_q(curves, legs, venue) + least[at]
            if extra_q > 0 and gain_q > 0:
                options.append((-gain_q / extra_q, at, extra_q))
        for _, at, extra_q in sorted(options):
            if extra_q <= budget_q:
                posted[at] += extra_q
                budget_q -= extra_q
        return posted

    return best


def _final_gain_q(curves: Curves, legs: Sequence[Leg], venue: Venue) -> int:
    """PnL of some legs from entry to the last step of the path."""
    last, rounds, gain_q = curves.path.at(len(curves.path) - 1), venue.policy.rounding, 0
    for leg in legs:
        market = venue.markets[leg.market]
        gain_q += leg_risk(market, leg.size_b, last[leg.market], rounds).equity_q
        gain_q -= leg_risk(market, leg.size_b, market.mark, rounds).equity_q
    return gain_q
