# pragma version ==0.4.3
"""
@title Markets and collateral assets: parameters, prices, funding
@license Apache-2.0
@notice One word per market holds its mark, funding index and parameters, so that a margin check reads it once.
        Prices come from one feed, are refused when old, and move no faster than a limit per second.
@dev    A price that is reported beyond the limit moves to the limit instead of being refused, so that a crash
        cannot stop prices altogether.
"""
import words
import margin_rules as rules
import layout
import access
import terms

uses: access
uses: terms

interface UptimeFeed:
    def latestRoundData() -> (uint80, int256, uint256, uint256, uint80): view


event PricesSet:
    time: uint256
    updates: DynArray[uint256, 64]

event FundingAccrued:
    market: indexed(uint8)
    index: int256


FIRST_ASSET: constant(uint256) = 128
MARKETS: constant(uint256) = 128
ASSETS: constant(uint256) = 16

market_words: public(uint256[MARKETS])
tables: public(uint256[MARKETS])
asset_words: public(uint256[ASSETS])
tokens: public(address[ASSETS])
members: uint256[16]  # bitmap of the markets of each pool
funded: uint256[MARKETS]

@deploy
def __init__(quote: address):
    assert quote != empty(address), "PARAMETER_INVALID"
    self.tokens[0] = quote


@internal
@view
def oldest() -> uint256:
    """
    @notice Time of the oldest price that may still be used.
    """
    return block.timestamp - terms.PRICE_AGE_S


@internal
@view
def market_word(market: uint256) -> uint256:
    """
    @notice The word of a listed market with a mark that may be used.
    """
    word: uint256 = self.market_words[market]
    assert word >> 168 != 0, "MARKET_UNKNOWN"
    assert word & (2**48 - 1) != 0, "PRICE_NOT_SET"
    assert (word >> 48) & (2**32 - 1) >= self.oldest(), "PRICE_STALE"
    return word


# -- prices --------------------------------------------------------------------------------------------------------


@external
def set_prices(time: uint256, updates: DynArray[uint256, 64]):
    """
    @notice Set marks and collateral prices: `id << 64 | price` each; an id from 128 on is an asset's.
    @dev    A time before the last one of a market, or in the future, is refused.
    """
    access.only_feed()
    assert time <= block.timestamp and time >= self.oldest(), "PRICE_STALE"
    self._check_sequencer()
    for word: uint256 in updates:
        id: uint256 = word >> 64
        price: uint256 = word & (2**64 - 1)
        if id < MARKETS:
            held: uint256 = self.market_words[id]
            assert held >> 168 != 0, "MARKET_UNKNOWN"
            price = self._moved(held & (2**48 - 1), (held >> 48) & (2**32 - 1), price, time)
            self.market_words[id] = layout.with_price(held, price, time)
        else:
            assert id < FIRST_ASSET + ASSETS and self.asset_words[id - FIRST_ASSET] != 0, "ASSET_UNKNOWN"
            held: uint256 = self.asset_words[id - FIRST_ASSET]
            price = self._moved(held & (2**64 - 1), (held >> 64) & (2**32 - 1), price, time)
            self.asset_words[id - FIRST_ASSET] = layout.with_asset_price(held, price, time)
    log PricesSet(time=time, updates=updates)


@internal
@view
def _moved(held: uint256, held_time: uint256, price: uint256, time: uint256) -> uint256:
    """
    @notice The price that a report leads to: the reported one, or as far towards it as the time since allows.
    """
    assert time >= held_time, "TIME_RUNS_BACKWARDS"
    if held == 0:
        return price
    room: uint256 = held * (terms.PRICE_MOVE_PPM * (time - held_time)) // 1_000_000
    if price > held + room:
        return held + room
    if price + room < held:
        return held - room
    return price


@internal
def _check_sequencer():
    """
    @notice Refuse prices while the sequencer is down; after an outage owners get time before they are liquidated.
    """
    if terms.UPTIME == empty(address):
        return
    round: uint80 = 0
    down: int256 = 0
    since: uint256 = 0
    updated: uint256 = 0
    answered: uint80 = 0
    round, down, since, updated, answered = staticcall UptimeFeed(terms.UPTIME).latestRoundData()
    assert down == 0, "SEQUENCER_DOWN"
    if since + terms.GRACE_S > block.timestamp:
        access.hold_liquidations(since + terms.GRACE_S)


# -- funding -------------------------------------------------------------------------------------------------------


@external
def accrue_funding(market: uint8, rate_ppm: int256):
    """
    @notice One funding interval: longs pay `rate_ppm` of the position's worth at the mark (negative: receive).
    """
    access.only_feed()
    id: uint256 = convert(market, uint256)
    assert abs(rate_ppm) <= terms.FUNDING_CAP_PPM, "AMOUNT_TOO_LARGE"
    word: uint256 = self.market_word(id)
    assert block.timestamp >= self.funded[id] + terms.FUNDING_INTERVAL_S, "COOLDOWN"
    self.funded[id] = block.timestamp
    index: int256 = layout.index_of(word) + rules.funding_index_delta(
        layout.mark_of(word), rate_ppm, words.PPM, 1, layout.den_of(word), words.WAD
    )
    self.market_words[id] = layout.with_index(word, index)
    log FundingAccrued(market=market, index=index)
