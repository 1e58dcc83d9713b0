"""A crowd of leveraged traders on a few markets, as columns, for crashes of any size."""

import numpy as np

from ringfence.clearing.model import QUOTE, CollateralPool, Market, Scale, Subaccount, Venue
from ringfence.clearing.policy import Deleveraging, Liquidation, Policy, Tier, Tiered
from ringfence.kernel.engine.columns import Columns

MARK = 100_000
TIERS = Tiered((Tier(0, 20, 10, 0), Tier(10**12, 50, 25, 15 * 10**12)), 1_000)
NAMES = ("A", "B", "C", "D")


def crowd_venue(fund_q, policy=None):
    """Four markets of one pool, their counterparties, a fund and nobody else."""
    venue = Venue(
        policy=policy or Policy(liquidation=Liquidation(fee_ppm=5_000), deleveraging=Deleveraging()),
        markets={
            name: Market(name, Scale(1, 1), TIERS, "main", mark=MARK, index=MARK, previous_mark=MARK)
            for name in NAMES
        },
        pools={"main": CollateralPool("main")},
        subaccounts={f"market/{name}": Subaccount(f"market/{name}", "venue", None, True) for name in NAMES},
        time_ms=1,
        block=1,
    )
    if fund_q:
        venue.ledger |= {"fund/main": {QUOTE: fund_q}, "outside": {QUOTE: -fund_q}}
    return venue


def venue_with(policy=None, **fields):
    """Two traders with quote alone, on those markets with other fields."""
    venue = crowd_venue(0, policy)
    for name in ("ann", "ben"):
        venue.subaccounts[name] = Subaccount(name, name, balances={QUOTE: 10**12})
    venue.ledger["outside"] = {QUOTE: -2 * 10**12}
    for market in venue.markets.values():
        for name, value in fields.items():
            setattr(market, name, value)
    return venue


def crowd(count, seed):
    """Pairs of a long and a short of the same size, each with a leverage and an entry price of its own."""
    random, pairs = np.random.default_rng(seed), count // 2
    market = random.integers(0, len(NAMES), pairs)
    lots = np.maximum(1, np.exp(random.normal(9.6, 1.5, pairs))).astype(np.int64)

    def side(sign):
        leverage = np.clip(np.exp(random.normal(2.1, 0.6, pairs)), 1, 45)
        entry = (MARK * np.exp(random.normal(0, 0.01, pairs))).astype(np.int64)
        return (
            sign * lots,
            sign * lots * entry,
            (lots * MARK / leverage).astype(np.int64) - sign * lots * MARK,
        )

    (longs, long_costs, long_cash), (shorts, short_costs, short_cash) = side(1), side(-1)
    return Columns(
        [f"t{number:07d}" for number in range(2 * pairs)],
        np.concatenate([long_cash, short_cash]),
        np.ones(2 * pairs, np.int64),
        np.concatenate([market, market]),
        np.concatenate([longs, shorts]),
        np.concatenate([long_costs, short_costs]),
    )


def fallen(share=0.14):
    """Prices after a crash."""
    return {name: int(MARK * (1 - share - 0.005 * n)) for n, name in enumerate(NAMES)}
