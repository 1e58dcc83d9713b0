"""What nets in a row, compiled: by underlying and by expiry, with what it is worth.

An *item* of a row is one of its legs or, numbered after these, one of its other assets. Items of one *group* net; a
group has the number of its underlying's market.
"""
# mypy: no-warn-return-any

from ..rules.words import CEIL
from ._rules import doubt_q, notional_q
from .columns import Block
from .jit import jit
from .sets_row import amount_at, asset_at, legs_in, lots_at, market_at
from .sets_table import Netting
from .table import NOWHERE
from .wide import Wide, abs_, join, wide


@jit
def group_of(sets: Netting, block: Block, row: int, item: int) -> int:
    """Number of the underlying that an item nets with; NOWHERE for none."""
    legs = legs_in(block, row)
    if item < legs:
        return sets.markets[market_at(block, row, item)].group if lots_at(block, row, item) != 0 else NOWHERE
    place = item - legs
    return sets.assets[asset_at(block, row, place)].group if amount_at(block, row, place) != 0 else NOWHERE


@jit
def starts_group(sets: Netting, block: Block, row: int, item: int) -> bool:
    """Whether no item before this one nets with its underlying."""
    group = group_of(sets, block, row, item)
    if group == NOWHERE:
        return False
    for earlier in range(item):  # noqa: SIM110 - compiled code has no generators
        if group_of(sets, block, row, earlier) == group:
            return False
    return True


@jit
def is_option_of(sets: Netting, block: Block, row: int, leg: int, group: int) -> bool:
    """Whether a leg is an option on an underlying."""
    market = sets.markets[market_at(block, row, leg)]
    return lots_at(block, row, leg) != 0 and market.is_option == 1 and market.group == group


@jit
def is_perp_of(block: Block, row: int, leg: int, group: int) -> bool:
    """Whether a leg is a position in an underlying itself."""
    return lots_at(block, row, leg) != 0 and market_at(block, row, leg) == group


@jit
def expiry_of(sets: Netting, block: Block, row: int, leg: int) -> int:
    """The expiry of a leg; NOWHERE for what is no option."""
    return sets.markets[market_at(block, row, leg)].expiry if lots_at(block, row, leg) != 0 else NOWHERE


@jit
def starts_expiry(sets: Netting, block: Block, row: int, leg: int, group: int) -> bool:
    """Whether a leg is the first option on an underlying of its expiry."""
    if not is_option_of(sets, block, row, leg, group):
        return False
    for earlier in range(leg):  # noqa: SIM110 - as above
        if expiry_of(sets, block, row, earlier) == expiry_of(sets, block, row, leg):
            return False
    return True


@jit
def at_price(sets: Netting, group: int, lots: Wide, price: int, rounding: int) -> Wide:
    """Worth of lots, of either sign, of an underlying at a price of it."""
    market = sets.markets[group]
    den = join(market.worth_den_hi, market.worth_den_lo)
    # A rule may take price and scale in either order; lots of 18 decimals times a price may leave 128 bits.
    return notional_q(lots, market.worth_num, price, den, rounding)


@jit
def spot_q(sets: Netting, group: int, lots: Wide) -> Wide:
    """Worth of lots of an underlying at its spot price, rounded up."""
    return at_price(sets, group, lots, sets.markets[group].spot, CEIL)


@jit
def perp_lots(block: Block, row: int, group: int) -> Wide:
    """Lots of an underlying itself, of either side."""
    total = wide(0)
    for leg in range(legs_in(block, row)):
        if is_perp_of(block, row, leg, group):
            total = total + abs_(lots_at(block, row, leg))
    return total


@jit
def lots_of_expiry(sets: Netting, block: Block, row: int, expiry: int, only_sold: bool) -> Wide:
    """Lots of all options of an expiry without sign; of those sold alone."""
    total = wide(0)
    for leg in range(legs_in(block, row)):
        size = lots_at(block, row, leg)
        if expiry_of(sets, block, row, leg) == expiry and (size < 0 or not only_sold):
            total = total + abs_(size)
    return total


@jit
def expiry_confidence(sets: Netting, block: Block, row: int, expiry: int, sure: int) -> int:
    """The least of `sure` and the confidences of the options of an expiry."""
    for leg in range(legs_in(block, row)):
        if expiry_of(sets, block, row, leg) == expiry:
            sure = min(sure, sets.markets[market_at(block, row, leg)].confidence)
    return sure


@jit
def doubted_q(sets: Netting, amount: Wide, confidence: int, below: int) -> Wide:
    """Charge on an amount for a price that is not sure."""
    rule = sets.rule[0]
    return doubt_q(amount, confidence, below, rule.doubt_num, rule.doubt_one)
