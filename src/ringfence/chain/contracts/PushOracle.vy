# pragma version ==0.4.3
# pragma optimize gas
"""
@title Prices from aggregators that are pushed on chain
@license Apache-2.0
@notice Reads the standard aggregator interface (`latestRoundData`), checks each answer, and writes it into a price table.
        Anybody may call it: what is written comes from the aggregators alone.
@dev A price is written with the time at which its aggregator took it, so its age counts from there.
"""

import owned

initializes: owned
exports: owned.__interface__

interface Aggregator:
    def latestRoundData() -> (uint80, int256, uint256, uint256, uint80): view
    def decimals() -> uint8: view

interface PriceTable:
    def set_prices(time: uint256, updates: DynArray[uint256, 64]): nonpayable

event SourceSet:
    market: indexed(uint256)
    aggregator: indexed(address)
    max_age_s: uint256

MARKETS_MAX: constant(uint256) = 256
AGE_AT: constant(uint256) = 160
DOWN_AT: constant(uint256) = 192
UP_AT: constant(uint256) = 200

TABLE: public(immutable(address))
UPTIME: public(immutable(address))
GRACE_S: public(immutable(uint256))

_sources: uint256[MARKETS_MAX]


@deploy
def __init__(table: address, uptime: address, grace_s: uint256):
    """
    @param uptime Feed that answers 1 while the sequencer is down; the zero address where there is no sequencer.
    @param grace_s Time after an outage during which no price is written.
    """
    assert table != empty(address) and grace_s <= 86_400, "PARAMETER_INVALID"
    TABLE = table
    UPTIME = uptime
    GRACE_S = grace_s
    owned.__init__()


@external
def set_source(market: uint256, aggregator: address, max_age_s: uint256, price_decimals: uint256):
    """
    @notice Name the aggregator of a market, how old its answer may be, and the decimals that the table has prices in.
    """
    owned.only_owner()
    assert market < MARKETS_MAX, "MARKET_UNKNOWN"
    assert 0 < max_age_s and max_age_s <= 172_800 and price_decimals <= 18, "PARAMETER_INVALID"
    decimals: uint256 = convert(staticcall Aggregator(aggregator).decimals(), uint256)
    assert decimals <= 36, "PARAMETER_INVALID"
    down: uint256 = decimals - price_decimals if decimals > price_decimals else 0
    up: uint256 = price_decimals - decimals if price_decimals > decimals else 0
    self._sources[market] = (
        convert(aggregator, uint256) | (max_age_s << AGE_AT) | (down << DOWN_AT) | (up << UP_AT)
    )
    log SourceSet(market=market, aggregator=aggregator, max_age_s=max_age_s)


@external
def update(markets: DynArray[uint256, 64]):
    """
    @notice Write the present prices of these markets.
    """
    self._check_sequencer()
    for market: uint256 in markets:
        price: uint256 = 0
        time_s: uint256 = 0
        price, time_s = self._read(market)
        extcall PriceTable(TABLE).set_prices(time_s, [(market << 64) | price])


@external
@view
def price_of(market: uint256) -> (uint256, uint256):
    """
    @notice What `update` would write: the price in the table's quanta, and its time.
    """
    return self._read(market)


@internal
@view
def _read(market: uint256) -> (uint256, uint256):
    """
    @dev The answer of a market's aggregator, if its round is complete, it is positive, and it is young enough.
    """
    assert market < MARKETS_MAX, "MARKET_UNKNOWN"
    source: uint256 = self._sources[market]
    assert source != 0, "MARKET_UNKNOWN"
    round: uint80 = 0
    answer: int256 = 0
    started: uint256 = 0
    updated: uint256 = 0
    answered: uint80 = 0
    round, answer, started, updated, answered = staticcall Aggregator(
        convert(source & (2 ** 160 - 1), address)
    ).latestRoundData()
    assert answer > 0, "PRICE_NOT_POSITIVE"
    assert updated != 0 and updated <= block.timestamp and answered >= round, "PRICE_NOT_SET"
    assert block.timestamp - updated <= (source >> AGE_AT) & (2 ** 32 - 1), "PRICE_STALE"
    price: uint256 = convert(answer, uint256) * 10 ** (source >> UP_AT) // 10 ** ((source >> DOWN_AT) & 255)
    assert price != 0, "PRICE_NOT_POSITIVE"
    assert price < 2 ** 64, "AMOUNT_TOO_LARGE"
    return price, updated


@internal
@view
def _check_sequencer():
    """
    @dev Nothing is written while the sequencer is down or only just up again: nobody could have added margin.
    """
    if UPTIME == empty(address):
        return
    round: uint80 = 0
    down: int256 = 0
    since: uint256 = 0
    updated: uint256 = 0
    answered: uint80 = 0
    round, down, since, updated, answered = staticcall Aggregator(UPTIME).latestRoundData()
    assert down == 0 and since != 0, "SEQUENCER_DOWN"
    assert block.timestamp - since > GRACE_S, "GRACE_PERIOD"
