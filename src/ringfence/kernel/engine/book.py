"""From a venue to arrays. The inverse stands in `venue`."""

import math
from collections.abc import Iterable, Sequence

import numpy as np

from ...clearing.model import Asset, Market, Scale, Subaccount, Venue, market_subaccount
from ...clearing.policy import (
    CostShare,
    OpenInterestScaled,
    Policy,
    RootScaled,
    Sided,
    SkewScaled,
    Stepped,
    Tiered,
)
from ...clearing.portfolio import priced
from ..wide import split
from . import layout as at
from .choices import no_choices, with_choices
from .memory import Book, Words, blank
from .names import Names
from .sets import set_rule_of

TAPE_ROOM, TAPE_ROOM_MOST = 1 << 14, 1 << 20
Row = list[int]


def words_of(amounts: Iterable[int]) -> list[int]:
    """Amounts as words, low first; `OverflowError` beyond 128 bits."""
    found: list[int] = []
    for amount in amounts:
        high, low = split(amount)
        found += [low, high]
    return found


def matrix(records: Sequence[Sequence[int]], width: int, least: int = 0) -> Words:
    """Records as an array of at least `least` rows."""
    found = blank(max(len(records), least), width)
    if records:
        found[: len(records)] = np.array(records, np.int64)
    return found


def _put(record: Words, k: int, *amounts: int) -> None:
    record[k : k + 2 * len(amounts)] = words_of(amounts)


def in_lowest_terms(scale: Scale) -> tuple[int, int]:
    """A scale's fraction, reduced: the same worth of everything, from shorter products."""
    shared = math.gcd(scale.num, scale.den)
    return scale.num // shared, scale.den // shared


# -- markets and assets ------------------------------------------------------------------------------------------------


def margin_rows(market: Market) -> list[list[int]]:
    """The rows of a market's margin table: lower bound, initial, maintenance, deduction."""
    shape = market.requirement
    if isinstance(shape, Tiered):
        return [[t.lower_q, t.initial_num, t.maintenance_num, t.deduction] for t in shape.tiers]
    if isinstance(shape, Stepped):
        return [[s.lower, s.initial_num, s.maintenance_num, 0] for s in shape.steps]
    if isinstance(shape, Sided):
        longs = [0, shape.long_initial_num, shape.long_maintenance_num, 0]
        return [longs, [0, shape.short_initial_num, shape.short_maintenance_num, 0]]
    if isinstance(shape, OpenInterestScaled):
        return [[0, shape.initial_ppm, shape.maintenance_fraction_ppm, 0]]
    return [[0, shape.initial_num, shape.maintenance_num, 0]]


def fill_requirement(record: Words, market: Market) -> None:
    """Write what a market asks, all but its rows, into its record."""
    shape, cost = market.requirement, market.close_cost
    record[at.SHAPE] = at.SHAPES.index(type(shape).__name__)
    record[at.RATE_DEN] = 1 if isinstance(shape, OpenInterestScaled) else shape.den
    record[at.BY_SIZE] = isinstance(shape, Stepped) and shape.by == "size"
    record[at.MINIMUM_AS] = at.MINIMUMS.index(market.minimum_margin_as)
    _put(record, at.LEAST_Q, market.minimum_margin_q)
    if isinstance(shape, SkewScaled):
        slopes = (shape.initial_slope_num, shape.maintenance_slope_num)
        caps = (shape.initial_cap_num, shape.maintenance_cap_num)
        _put(record, at.DEPTH_B, shape.scale_b, *slopes, *caps)
    if isinstance(shape, RootScaled):
        _put(record, at.UNIT_B, shape.unit_b, shape.factor_num, shape.factor_den)
    if isinstance(shape, OpenInterestScaled):
        _put(record, at.OPEN_LOWER_Q, shape.lower_q, shape.upper_q)
    if isinstance(shape, CostShare):
        _put(record, at.OPEN_NUM, shape.open_num, shape.open_den)
    if cost is not None:
        record[at.CLOSES], record[at.CLOSE_OF_COST] = 1, cost.of == "cost"
        record[at.CLOSE_IN_INITIAL] = cost.in_initial
        _put(record, at.CLOSE_NUM, cost.num, cost.den, cost.lower_q, cost.upper_q)


def fill_totals(record: Words, market: Market) -> None:
    """Write what fills change of a market into its record."""
    longs, shorts = market.longs, market.shorts
    _put(record, at.OPEN_B, market.open_interest_b)
    _put(record, at.LONGS_B, longs.size_b, longs.cost_q, shorts.size_b, shorts.cost_q)


def fill_prices(record: Words, venue: Venue, market: Market) -> None:
    """Write what prices, funding and time change of a market into its record."""
    option = market.option
    is_over = option is not None and venue.time_ms >= option.expiry_ms
    _put(record, at.MARK, market.mark, market.index, market.previous_mark, market.funding_index)
    of_option = at.EXPIRED * is_over | at.UNPRICED * (not priced(venue.policy, market))
    locked, settling = at.LOCKED * market.margin_locked, at.SETTLING * market.settling
    opening = at.AT_OPENING * (market.leverage_checked == "opening")
    paced = at.PACED * (market.window is not None)
    record[at.MARKET_FLAGS] = of_option | paced | locked | settling | opening


def market_arrays(venue: Venue, names: Names) -> tuple[Words, Words]:
    """`markets` and `margins`."""
    records, tables = blank(len(names.markets), at.MARKET_WORDS), list[Row]()
    ranks = {name: n for n, name in enumerate(sorted(names.markets))}
    for n, name in enumerate(names.markets):
        market, record = venue.markets[name], records[n]
        fill_prices(record, venue, market)
        fill_totals(record, market)
        fill_requirement(record, market)
        record[at.CAP_PPM] = -1 if market.solvency is None else market.solvency.cap_ppm
        _put(record, at.SCALE_NUM, *in_lowest_terms(market.scale), market.step_b)
        record[at.POOL], record[at.MARKET_RANK] = names.pool[market.pool], ranks[name]
        record[at.COUNTERPARTY] = names.row.get(market_subaccount(name), at.UNKNOWN)
        record[at.FUNDING_ACCOUNT] = names.account[f"funding/{name}"]
        rows = margin_rows(market)
        record[at.ROWS_FIRST], record[at.ROWS_COUNT] = len(tables), len(rows)
        tables += [words_of(row) for row in rows]
    return records, matrix(tables, at.MARGIN_WORDS, 1)


def asset_arrays(venue: Venue, names: Names) -> tuple[Words, Words]:
    """`assets` and `haircuts`."""
    records, tiers = np.zeros((len(names.assets), at.ASSET_WORDS), np.int64), list[Row]()
    for n, name in enumerate(sorted(names.assets)):
        records[n, at.SORTED] = names.asset[name]
    for n, name in enumerate(names.assets[1:], 1):
        asset, record = venue.assets[name], records[n]
        fill_asset(record, asset)
        record[at.HAIRCUT_FIRST], record[at.HAIRCUT_COUNT] = len(tiers), len(asset.haircut.tiers)
        tiers += [
            [*words_of((tier.lower_q, tier.maintenance_num, tier.deduction)), 0, 0]
            for tier in asset.haircut.tiers
        ]
    return records, matrix(tiers, at.HAIRCUT_WORDS, 1)


def fill_asset(record: Words, asset: Asset) -> None:
    """Write an asset's price, scale and weights into its record."""
    _put(record, at.PRICE, asset.price, *in_lowest_terms(asset.scale))
    record[at.OWED], record[at.HAIRCUT_DEN] = asset.may_be_owed, asset.haircut.den
    weights = asset.weights
    if weights is not None:
        record[at.WEIGHTED], record[at.WEIGHTS_DEN] = 1, weights.den
        record[at.LONG_INITIAL], record[at.LONG_MAINTENANCE] = (
            weights.long_initial_num,
            weights.long_maintenance_num,
        )
        record[at.SHORT_INITIAL], record[at.SHORT_MAINTENANCE] = (
            weights.short_initial_num,
            weights.short_maintenance_num,
        )


# -- the policy --------------------------------------------------------------------------------------------------------


def terms_of(policy: Policy) -> Words:
    """`terms`."""
    close, rounds, adl, waterfall = policy.liquidation, policy.rounding, policy.deleveraging, policy.waterfall
    cap_q = -1 if policy.initial_profit_cap_q is None else policy.initial_profit_cap_q
    sizes = at.SIZES.index(close.size) if close.size in at.SIZES else 0
    found = (
        *(rounds.value, rounds.notional, rounds.requirement, rounds.funding),
        *(policy.risk_price == "index", policy.trigger_at_equality, policy.withdrawal_floor_ppm),
        *(-1 if policy.overdraft_q is None else policy.overdraft_q, cap_q),
        *(policy.initial_profit_cap_of == "account", policy.account_gating != "none"),
        *(
            policy.exclusive_pools,
            policy.under_margin == "strict_reduce",
            policy.under_margin == "free_reduce",
        ),
        *(policy.taker_fee_ppm, policy.maker_fee_ppm),
        *(sizes, close.portion_ppm, close.portion_of == "account", close.portion_above_q),
        *(close.portion_floor_ppm, close.portion_once, close.minimum_q),
        *(close.target_ppm, close.target_of == "initial", close.buffer_ppm, close.cooldown_ms),
        *(close.limit == "fillable", close.adjustment_ppm, close.spread_ppm),
        *(close.fee_ppm, at.FEES_OF.index(close.fee_of), close.fee_to_fund_ppm, close.fee_in_full),
        *(close.block_liquidations, close.block_deleveragings),
        *(close.block_subaccount_q, close.block_insurance_q),
        *(at.KEEPERS.index(close.remainder), close.remainder_least_q, close.backstop_num, close.backstop_den),
        *(policy.insurance == "all_or_nothing", at.ADL_POLICIES.index(adl.policy)),
        *(at.ADL_SCORES.index(adl.score), at.ADL_PRICES.index(adl.price), adl.scan_max),
        *(step in waterfall for step in ("insurance", "counterparty", "deleverage", "socialize")),
        *(policy.socialize_by == "open_interest", policy.withdrawal_gate_blocks, 0, 0),
    )
    return np.array(found, np.int64)


# -- subaccounts -------------------------------------------------------------------------------------------------------


def flags_of(sub: Subaccount) -> int:
    """Flags of a row."""
    frozen = sub.auction is not None or sub.flagged
    return (
        at.SYSTEM * sub.system
        | at.RESTING * bool(sub.orders)
        | at.CHOSEN * bool(sub.leverages)
        | at.FROZEN * frozen
    )


def fill_row(record: Words, sub: Subaccount, names: Names) -> None:
    """Write a subaccount, all but its positions, rank and neighbours, into its record."""
    record[at.FLAGS] = flags_of(sub)
    record[at.PARENT] = at.UNKNOWN if sub.parent is None else names.row[sub.parent]
    record[at.ACCOUNT] = names.owner.setdefault(sub.account, len(names.owner))
    record[at.COOLDOWN_MS], record[at.BLOCK] = sub.cooldown_until_ms, sub.block
    _put(record, at.BLOCK_LIQUIDATED_Q, sub.block_liquidated_q, sub.block_insured_q)
    record[at.BALANCES :] = 0
    for asset, amount in sub.balances.items():
        _put(record, at.BALANCES + 2 * names.asset[asset], amount)


def legs_of(sub: Subaccount, names: Names) -> list[list[int]]:
    """A subaccount's positions as records of `legs`."""
    return [
        [names.market[market], 0, *words_of((held.size_b, held.cost_q, held.funding_index))]
        for market, held in sub.positions.items()
    ]


def row_width(names: Names) -> int:
    """Words of a record of `rows`."""
    return -(-(at.BALANCES + 2 * len(names.assets)) // 8) * 8


def subaccount_arrays(venue: Venue, names: Names) -> tuple[Words, Words, int]:
    """`rows`, `legs` and how many of `legs` are taken."""
    rows = blank(max(len(names.rows), 1), row_width(names))
    legs: list[list[int]] = []
    for n, name in enumerate(names.rows):
        sub, record = venue.subaccounts[name], rows[n]
        fill_row(record, sub, names)
        own = legs_of(sub, names)
        record[at.LEG_FIRST], record[at.LEG_COUNT] = len(legs), len(own)
        record[at.LEG_ROOM] = max(len(own), 1)
        legs += own or [[0] * at.LEG_WORDS]
    return rows, matrix(legs, at.LEG_WORDS, 2 * len(legs) + 16), len(legs)


def rank_rows(rows: Words, names: Names) -> Words:
    """Number the rows in the order of their ids; `order`."""
    order = np.array(sorted(range(len(names.rows)), key=names.rows.__getitem__), np.int64)
    rows[order, at.RANK] = np.arange(len(order))
    return order


def siblings_of(terms: Words, rows: Words) -> Words:
    """`siblings` of these rows."""
    if not (terms[at.GATED] and len(rows)):
        return np.zeros(0, np.int64)
    order = np.argsort(rows[:, at.ACCOUNT], kind="stable")
    changes = np.flatnonzero(np.diff(rows[order, at.ACCOUNT])) + 1
    after, starts = np.roll(order, -1), np.concatenate([[0], changes])
    after[np.concatenate([changes, [len(order)]]) - 1] = order[starts]
    found = np.empty(len(order), np.int64)
    found[order] = after
    return found


def choice(names: Names, subaccount: str, market: str, num: int, den: int) -> Row:
    """Record of a chosen leverage."""
    key = names.row[subaccount] * len(names.markets) + names.market[market]
    return [key, 0, *words_of((num, den))]


def chosen_array(venue: Venue, names: Names) -> tuple[Words, int]:
    """`chosen`, and how many leverages it holds."""
    records = (
        choice(names, sub.id, market, leverage.num, leverage.den)
        for sub in venue.subaccounts.values()
        for market, leverage in sub.leverages.items()
    )
    return with_choices(no_choices(), 0, records)


# -- the whole ---------------------------------------------------------------------------------------------------------


def ledger_array(venue: Venue, names: Names) -> Words:
    """`ledger`."""
    found = np.zeros((len(names.accounts), 2 * len(names.assets)), np.int64)
    for account, balances in venue.ledger.items():
        for asset, amount in balances.items():
            _put(found[names.account[account]], 2 * names.asset[asset], amount)
    return found


def pool_array(venue: Venue, names: Names) -> Words:
    """`pools`."""
    found = np.zeros((max(len(names.pools), 1), at.POOL_WORDS), np.int64)
    for n, name in enumerate(names.pools):
        accounts = (names.account[f"fund/{name}"], names.account[f"debt/{name}"])
        found[n, :3] = (venue.pools[name].gated_until_block, *accounts)
    return found


def clock_of(venue: Venue) -> Words:
    """`clock`, without what it says of the arrays."""
    found = np.zeros(at.CLOCK, np.int64)
    found[: at.ALL_GATED_UNTIL + 1] = (
        venue.time_ms,
        venue.block,
        venue.block_liquidations,
        venue.block_deleveragings,
        venue.gated_until_block,
    )
    return found


def tape_room(rows: int) -> int:
    """Records of the tape for so many subaccounts."""
    return min(max(TAPE_ROOM, 4 * rows), TAPE_ROOM_MOST)


def book_of(venue: Venue, names: Names) -> Book:
    """A venue as arrays; `OverflowError` where a number takes more than the words that it has."""
    (markets, margins), (assets, haircuts) = market_arrays(venue, names), asset_arrays(venue, names)
    rows, legs, leg_top = subaccount_arrays(venue, names)
    clock, room = clock_of(venue), tape_room(len(names.rows))
    clock[at.ROWS], clock[at.LEG_TOP], clock[at.HEAP_TOP] = len(names.rows), leg_top, 1
    clock[at.FROZEN_ROWS] = np.count_nonzero(rows[:, at.FLAGS] & at.FROZEN)
    chosen, clock[at.CHOICES] = chosen_array(venue, names)
    terms, (address, sets) = terms_of(venue.policy), set_rule_of(venue, names)
    terms[at.SET_RULE], terms[at.CAPPED] = address, any(market.solvency for market in venue.markets.values())
    return Book(
        rows,
        legs,
        markets,
        margins,
        assets,
        haircuts,
        ledger_array(venue, names),
        pool_array(venue, names),
        terms,
        sets,
        clock,
        blank(16, at.CLAIM_WORDS),
        np.zeros((2 * len(names.markets), at.QUEUE_WORDS), np.int64),
        np.zeros(16, np.int64),
        np.zeros(len(names.markets) + 1, np.int64),
        rank_rows(rows, names),
        siblings_of(terms, rows[: len(names.rows)]),
        chosen,
        blank(16, at.LIST_WORDS),
        blank(room // 8, at.STEP_WORDS),
        blank(room, at.TAPE_WORDS),
        np.zeros(at.VERDICT_WORDS, np.int64),
        np.zeros(at.COMMAND_WORDS, np.int64),
    )
