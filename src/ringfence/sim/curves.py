"""How far a subaccount is from its trigger along a whole path, from the exact rule sampled where it bends.

Between two bends of a margin rule a leg's surplus (worth less maintenance margin) is a straight line in its price. So
the exact rule is read at the bends and at the path's extremes, and everything between is interpolated: no second
formula. Positions are those of a replay: bought at the path's first price. Roundings of the rule are a few atoms; the
slack covers them and the floats, and whatever lies within it is decided exactly.
"""

from collections.abc import Mapping

import numpy as np

from ringfence.clearing.model import Market
from ringfence.clearing.policy import Rounding
from ringfence.clearing.risk import leg_risk, worth_q
from ringfence.clearing.shapes import bends
from ringfence.sim.paths import Path
from ringfence.sim.prices import FloatArray

SLACK_RELATIVE = 1e-9
SLACK_ATOMS = 16.0
"""The screen sends to the exact rule everything within this share of gross notional plus these atoms of the trigger."""


class Curves:
    """Surplus and worth of legs along one path."""

    def __init__(self, path: Path, markets: Mapping[str, Market], rounds: Rounding) -> None:
        self.path, self.rounds = path, rounds
        self.markets = dict(markets)
        self._column = {name: path.column(name) for name in path.markets}
        self._extent = {name: (int(column.min()), int(column.max())) for name, column in self._column.items()}
        self._entry = path.at(0)

    def price(self, market: str, start: int = 0) -> FloatArray:
        """Prices of a market from step `start` on."""
        return self._column[market][start:]

    def leg_surplus(self, market: str, size_b: int, start: int = 0) -> FloatArray:
        """Worth less maintenance margin of `size_b` lots, without cash, in quote atoms, from step `start` on."""
        low, high = self._extent[market]
        rule = self.markets[market]
        knots = sorted({low, high, *(bend for bend in bends(rule, size_b, high) if bend > low)})
        values = [float(self._surplus_q(market, size_b, knot)) for knot in knots]
        prices = self._column[market][start:]
        if len(knots) == 2:  # noqa: PLR2004 - no bend between the extremes: one straight line, many times as fast
            return values[0] + (prices - low) * ((values[1] - values[0]) / (high - low))
        surplus: FloatArray = np.interp(prices, knots, values)
        return surplus

    def _surplus_q(self, market: str, size_b: int, price: int) -> int:
        """Worth less maintenance margin of lots that were bought at the beginning of the path."""
        rule = self.markets[market]
        cost_q = worth_q(rule, size_b, self._entry[market], self.rounds)
        return leg_risk(rule, size_b, price, self.rounds, cost_q=cost_q).surplus_q

    def leg_worth(self, market: str, size_b: int, start: int = 0) -> FloatArray:
        """Signed worth of `size_b` lots, in quote atoms."""
        scale = self.markets[market].scale
        return self._column[market][start:] * (size_b * scale.num / scale.den)

    def surplus(self, cash_q: int, sizes: Mapping[str, int], start: int = 0) -> FloatArray:
        """Surplus over maintenance margin of a whole subaccount from step `start` on."""
        total = np.full(len(self.path) - start, float(cash_q))
        for market, size_b in sizes.items():
            total += self.leg_surplus(market, size_b, start)
        return total

    def equity(self, cash_q: int, sizes: Mapping[str, int], start: int = 0) -> FloatArray:
        """Equity of a whole subaccount from step `start` on."""
        total = np.full(len(self.path) - start, float(cash_q))
        for market, size_b in sizes.items():
            total += self.leg_worth(market, size_b, start)
        return total

    def slack(self, sizes: Mapping[str, int]) -> float:
        """Distance to the trigger within which only the exact rule decides."""
        gross = 0.0
        for market, size_b in sizes.items():
            scale = self.markets[market].scale
            gross += abs(size_b) * self._extent[market][1] * scale.num / scale.den
        return SLACK_RELATIVE * gross + SLACK_ATOMS

    def first_at_or_below(self, curve: FloatArray, level: float) -> int | None:
        """First index of `curve` that is not above `level`."""
        below = curve <= level
        at = int(below.argmax())
        return at if below[at] else None

    def survival_q(self, sizes: Mapping[str, int], cost_q: int) -> int:
        """Least collateral with which `sizes`, bought for `cost_q` (signed), are not liquidated along the whole path.

        The step at which surplus is lowest is found on the curves and the exact rule is read there; one atom more than
        its shortfall survives under either strictness of the trigger.
        """
        worst = int(self.surplus(-cost_q, sizes).argmin())
        prices = self.path.at(worst)
        legs = (self._surplus_q(market, size_b, prices[market]) for market, size_b in sizes.items())
        return max(0, cost_q - sum(legs) + 1)
