"""Which markets and procedures a replay on columns can take, and their numbers in the form that compiled code reads.

Whatever is not here is replayed by the reference engine (`sim.world`): the answer is the same, only later.
"""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import numpy as np

from ringfence.clearing.model import Market
from ringfence.clearing.policy import Liquidation, OpenInterestScaled, Policy, Rounding, Sided, Tiered
from ringfence.clearing.shapes import open_interest_fraction_ppm, valid
from ringfence.rules.words import PPM

if TYPE_CHECKING:
    from ringfence.kernel.replay.rule import Grid

HELD = 2**62
"""Numbers below this have a place in the columns."""

_STEPS = {"insurance", "counterparty", "deleverage", "socialize"}
_FREE = ("fee_ppm", "fee_to_fund_ppm", "adjustment_ppm", "spread_ppm", "cooldown_ms", "fee_of")
"""Fields of a liquidation procedure that may be anything, or matter only beside others that may not."""


def takes_market(market: Market) -> bool:
    """Is a market's requirement one of the compiled shapes, and nothing else asked of it?"""
    shape = market.requirement
    known = isinstance(shape, Tiered | OpenInterestScaled | Sided) and valid(shape)
    plain = market.minimum_margin_as == "added" and market.close_cost is None and market.option is None
    free = market.solvency is None and market.window is None and not market.margin_locked
    fits = all(abs(number) < HELD for number in (*_numbers(market), market.minimum_margin_q))
    return known and plain and free and fits and market.leverage_checked == "always"


def _numbers(market: Market) -> Iterable[int]:
    shape, scale = market.requirement, market.scale
    yield from (scale.num, scale.den)
    if isinstance(shape, Tiered):
        yield shape.den
        yield from (tier.lower_q for tier in shape.tiers)
    elif isinstance(shape, Sided):
        yield from (shape.den, shape.short_initial_num)


def takes_policy(policy: Policy) -> bool:
    """Does a venue close positions whole, rank winners by profit and leverage, and judge nothing else?"""
    close, winners = policy.liquidation, policy.deleveraging
    free = {name: getattr(close, name) for name in _FREE}
    whole = close == Liquidation(**free) and (close.fee_of == "notional" or close.fee_ppm == 0)
    ranked = (winners.policy, winners.score, winners.price) == ("ranked", "profit_leverage", "bankruptcy")
    judged = policy.set_rule is None and policy.account_gating == "none" and policy.under_margin == "ratio"
    plain = (
        policy.overdraft_q is None
        and policy.initial_profit_cap_q is None
        and not policy.withdrawal_gate_blocks
    )
    shared = policy.insurance == "continuous" and policy.socialize_by == "equity" and not policy.outage_ms
    return whole and ranked and judged and plain and shared and set(policy.waterfall) <= _STEPS


def grid_of(markets: Mapping[str, Market], rounds: Rounding) -> "Grid":
    """The requirements of all markets, each at its present open interest; `takes_market` holds of every one."""
    from ringfence.kernel.replay.book import TABLE_WORDS
    from ringfence.kernel.replay.rule import GRID_WORDS, ROW_WORDS, Grid
    from ringfence.kernel.wide import split

    rows: list[tuple[int, ...]] = []
    table = np.zeros((len(markets), TABLE_WORDS), dtype=np.int64)
    floats = []
    for at, market in enumerate(markets.values()):
        shape, den, base_ppm, added = _rows(market, rounds)
        scale, first = market.scale, len(rows)
        rows += added
        directions = (rounds.value, rounds.notional, rounds.requirement)
        table[at, :GRID_WORDS] = (
            *(shape, scale.num, scale.den, first, len(rows), den, base_ppm, market.minimum_margin_q),
            *directions,
        )
        share = base_ppm / PPM if base_ppm else 1.0
        floats += [(row[2] / den * share, row[3] / den) for row in added]
    per = [(market.scale.num / market.scale.den, 0.0) for market in markets.values()]
    numbers = [(*row[:3], *split(row[3])) for row in rows]
    return Grid(table, np.array(numbers, dtype=np.int64).reshape(-1, ROW_WORDS), np.array(per + floats))


def _rows(market: Market, rounds: Rounding) -> tuple[int, int, int, list[tuple[int, int, int, int]]]:
    """Shape, denominator, base rate and table rows (lower bound, initial, maintenance, deduction) of a market."""
    from ringfence.kernel.replay.rule import OPEN_INTEREST_SCALED, SIDED, TIERED

    shape = market.requirement
    if isinstance(shape, Tiered):
        return (
            TIERED,
            shape.den,
            0,
            [(t.lower_q, t.initial_num, t.maintenance_num, t.deduction) for t in shape.tiers],
        )
    if isinstance(shape, Sided):
        long = (0, shape.long_initial_num, shape.long_maintenance_num, 0)
        return SIDED, shape.den, 0, [long, (0, shape.short_initial_num, shape.short_maintenance_num, 0)]
    assert isinstance(shape, OpenInterestScaled)
    initial = open_interest_fraction_ppm(market, rounds)
    row = (0, initial, shape.maintenance_fraction_ppm, 0)
    return OPEN_INTEREST_SCALED, PPM, shape.initial_ppm, [row]
