# pragma version ==0.4.3
# pragma optimize gas
"""
@title What the two baseline designs share
@license Apache-2.0
@notice Ownership, pause, markets with their prices, collateral pools with their insurance funds, and the ERC-20 that
        everything is counted in. `IsolatedOnly` and `CrossOnly` differ in what a trader's subaccount is, and in nothing
        else, so that what they cost can be compared.
@dev Money is in quote atoms (1e-6 USD), sizes in lots, prices in quanta of which one times one lot is
     1 / SCALE_DEN quote atoms in every market (lots of 1e-8 and quanta of 1e-8, say). One storage word per market and
     one per pool, so that a trade touches four words in all:

     market  price 56 | time 32 | funding index 64 | initial ppm 24 | maintenance ppm 24 | net size of traders 56
     pool    quote of the pool 112 | insurance fund 104 | paused 8
     terms   taker fee ppm 24 | liquidation fee ppm 24 | share of that fee for the fund ppm 24 | largest net size 56

     Everything is checked against these widths where it is written.
"""

from ethereum.ercs import IERC20

import margin_rules
import owned
import words

initializes: owned
exports: owned.__interface__

event MarketSet:
    market: indexed(uint256)
    initial_ppm: uint256
    maintenance_ppm: uint256
    fee_ppm: uint256
    liquidation_fee_ppm: uint256
    fund_share_ppm: uint256
    cap_b: uint256

event PricesSet:
    time: uint256
    updates: DynArray[uint256, 64]

event FundingAccrued:
    market: indexed(uint256)
    index: int256

event Deposit:
    trader: indexed(address)
    market: indexed(uint256)
    amount_q: uint256

event Withdrawal:
    trader: indexed(address)
    market: indexed(uint256)
    amount_q: uint256

event Trade:
    trader: indexed(address)
    market: indexed(uint256)
    size_b: int256
    price: int256
    fee_q: int256

event Liquidated:
    trader: indexed(address)
    market: indexed(uint256)
    size_b: int256
    price: int256
    fee_q: int256
    loss_q: int256

event Supplied:
    pool: indexed(uint256)
    amount_q: int256
    fund_q: uint256

event Paused:
    pool: indexed(uint256)
    paused: bool

event FeedSet:
    feed: indexed(address)

MARKETS_MAX: public(constant(uint256)) = 64
SCALE_DEN: public(constant(int256)) = 10 ** 10
INDEX_SCALE: public(constant(int256)) = 10 ** 12
PPM: constant(uint256) = 10 ** 6

MASK_24: constant(uint256) = 2 ** 24 - 1
MASK_32: constant(uint256) = 2 ** 32 - 1
MASK_56: constant(uint256) = 2 ** 56 - 1
MASK_104: constant(uint256) = 2 ** 104 - 1
AMOUNT_MAX: constant(uint256) = 2 ** 96 - 1

TIME_AT: constant(uint256) = 56
INDEX_AT: constant(uint256) = 88
INITIAL_AT: constant(uint256) = 152
MAINTENANCE_AT: constant(uint256) = 176
NET_AT: constant(uint256) = 200
FUND_AT: constant(uint256) = 112
PAUSED_AT: constant(uint256) = 216
LIQUIDATION_FEE_AT: constant(uint256) = 24
FUND_SHARE_AT: constant(uint256) = 48
CAP_AT: constant(uint256) = 72

token: public(immutable(IERC20))
max_age_s: public(immutable(uint256))

feed: public(address)
_markets: uint256[MARKETS_MAX]
_terms: uint256[MARKETS_MAX]
_pools: uint256[MARKETS_MAX]
rewards: public(HashMap[address, uint256])


@deploy
def __init__(_token: address, _max_age_s: uint256):
    assert _token != empty(address) and 0 < _max_age_s and _max_age_s <= 86400, "PARAMETER_INVALID"
    token = IERC20(_token)
    max_age_s = _max_age_s
    owned.__init__()


# -- packed words ------------------------------------------------------------------------------------------------------


@internal
@pure
def _signed(word: uint256, offset: uint256, bits: uint256) -> int256:
    """
    @dev The `bits` wide two's complement number at `offset`.
    """
    return convert(convert(word << (256 - bits - offset), bytes32), int256) >> (256 - bits)


@internal
@pure
def _field(number: int256, offset: uint256, bits: uint256) -> uint256:
    """
    @dev A number as a field of a word; refused where it does not fit.
    """
    limit: int256 = 1 << (bits - 1)
    assert -limit <= number and number < limit, "AMOUNT_TOO_LARGE"
    return (convert(convert(number, bytes32), uint256) & ((1 << bits) - 1)) << offset


# -- parameters --------------------------------------------------------------------------------------------------------


@external
def set_feed(feed: address):
    """
    @notice Name the only address whose prices are taken.
    """
    owned.only_owner()
    self.feed = feed
    log FeedSet(feed=feed)


@external
def set_market(
    market: uint256,
    initial_ppm: uint256,
    maintenance_ppm: uint256,
    fee_ppm: uint256,
    liquidation_fee_ppm: uint256,
    fund_share_ppm: uint256,
    cap_b: uint256,
):
    """
    @notice List a market, or change its margin rates, fees and the largest net size that the pool takes.
    """
    owned.only_owner()
    assert market < MARKETS_MAX, "MARKET_UNKNOWN"
    assert 0 < maintenance_ppm and maintenance_ppm < initial_ppm and initial_ppm <= PPM, "PARAMETER_INVALID"
    assert fee_ppm <= PPM // 10 and liquidation_fee_ppm <= PPM // 10, "PARAMETER_INVALID"
    assert fund_share_ppm <= PPM and cap_b < 2 ** 55, "PARAMETER_INVALID"
    rates: uint256 = (initial_ppm << INITIAL_AT) | (maintenance_ppm << MAINTENANCE_AT)
    kept: uint256 = self._markets[market] & ~((MASK_24 << INITIAL_AT) | (MASK_24 << MAINTENANCE_AT))
    self._markets[market] = kept | rates
    self._terms[market] = (
        fee_ppm
        | (liquidation_fee_ppm << LIQUIDATION_FEE_AT)
        | (fund_share_ppm << FUND_SHARE_AT)
        | (cap_b << CAP_AT)
    )
    log MarketSet(
        market=market,
        initial_ppm=initial_ppm,
        maintenance_ppm=maintenance_ppm,
        fee_ppm=fee_ppm,
        liquidation_fee_ppm=liquidation_fee_ppm,
        fund_share_ppm=fund_share_ppm,
        cap_b=cap_b,
    )


@external
def pause(pool: uint256, paused: bool):
    """
    @notice Stop, or allow again, everything in a pool that adds risk. Reducing, liquidating and leaving go on.
    """
    owned.only_owner()
    assert pool < MARKETS_MAX, "POOL_UNKNOWN"
    word: uint256 = self._pools[pool] & ~(1 << PAUSED_AT)
    self._pools[pool] = word | (convert(paused, uint256) << PAUSED_AT)
    log Paused(pool=pool, paused=paused)


# -- prices and funding ------------------------------------------------------------------------------------------------


@external
def set_prices(time: uint256, updates: DynArray[uint256, 64]):
    """
    @notice Set prices as of `time`: `market << 64 | price` each. A time before the last one of a market is refused.
    @dev One word per market is read and written.
    """
    assert msg.sender == self.feed, "NOT_FEED"
    assert time <= block.timestamp and block.timestamp - time <= max_age_s, "PRICE_STALE"
    for update: uint256 in updates:
        market: uint256 = update >> 64
        price: uint256 = update & (2 ** 64 - 1)
        word: uint256 = self._listed(market)
        assert price != 0, "PRICE_NOT_POSITIVE"
        assert price <= MASK_56, "AMOUNT_TOO_LARGE"
        assert (word >> TIME_AT) & MASK_32 <= time, "TIME_RUNS_BACKWARDS"
        self._markets[market] = ((word >> INDEX_AT) << INDEX_AT) | (time << TIME_AT) | price
    log PricesSet(time=time, updates=updates)


@external
def accrue_funding(market: uint256, rate_ppm: int256):
    """
    @notice One funding interval: longs pay `rate_ppm` of their position's worth, shorts receive it.
    """
    assert msg.sender == self.feed, "NOT_FEED"
    assert abs(rate_ppm) <= words.PPM, "AMOUNT_TOO_LARGE"
    word: uint256 = self._fresh(market)
    delta: int256 = margin_rules.funding_index_delta(
        self._price(word), rate_ppm, words.PPM, 1, SCALE_DEN, INDEX_SCALE
    )
    index: int256 = self._index(word) + delta
    self._markets[market] = (word & ~((2 ** 64 - 1) << INDEX_AT)) | self._field(index, INDEX_AT, 64)
    log FundingAccrued(market=market, index=index)


@internal
@view
def _listed(market: uint256) -> uint256:
    """
    @dev The word of a market that exists.
    """
    assert market < MARKETS_MAX, "MARKET_UNKNOWN"
    word: uint256 = self._markets[market]
    assert (word >> MAINTENANCE_AT) & MASK_24 != 0, "MARKET_UNKNOWN"
    return word


@internal
@view
def _fresh(market: uint256) -> uint256:
    """
    @dev The word of a market with a price that is not too old.
    """
    word: uint256 = self._listed(market)
    self._check_age(word)
    return word


@internal
@view
def _check_age(word: uint256):
    """
    @dev Prices are written with a time that is not after the block's.
    """
    time_s: uint256 = (word >> TIME_AT) & MASK_32
    assert time_s != 0, "PRICE_NOT_SET"
    assert unsafe_sub(block.timestamp, time_s) <= max_age_s, "PRICE_STALE"


@internal
@pure
def _price(word: uint256) -> int256:
    return convert(word & MASK_56, int256)


@internal
@pure
def _index(word: uint256) -> int256:
    return self._signed(word, INDEX_AT, 64)


# -- the margin rules, for one position --------------------------------------------------------------------------------


@internal
@pure
def _worth_q(size_b: int256, word: uint256) -> int256:
    return margin_rules.value_q(size_b, self._price(word), 1, SCALE_DEN, words.FLOOR)


@internal
@pure
def _funding_q(size_b: int256, index: int256, word: uint256) -> int256:
    """
    @dev What a position receives for the time since the market's index was at `index`.
    """
    return margin_rules.funding_payment_q(size_b, self._index(word) - index, INDEX_SCALE, words.FLOOR)


@internal
@pure
def _required_q(size_b: int256, word: uint256, rate_at: uint256) -> int256:
    """
    @dev Margin of a position at the rate (initial or maintenance) that lies at `rate_at`.
    """
    notional_q: int256 = margin_rules.notional_q(size_b, self._price(word), 1, SCALE_DEN, words.CEIL)
    rate_ppm: int256 = convert((word >> rate_at) & MASK_24, int256)
    return margin_rules.fraction_q(notional_q, rate_ppm, words.PPM, words.CEIL)


# -- what a fill does to market and pool -------------------------------------------------------------------------------


@internal
@pure
def _adds_risk(held_b: int256, size_b: int256) -> bool:
    """
    @dev Whether a trade does anything but shrink a position towards zero.
    """
    after_b: int256 = held_b + size_b
    if held_b > 0:
        return size_b > 0 or after_b < 0
    return size_b < 0 or after_b > 0


@internal
def _move_net(market: uint256, word: uint256, size_b: int256, terms: uint256):
    """
    @dev Traders together hold `size_b` more lots; a net size that grows must stay within what the pool takes.
    """
    before_b: int256 = self._signed(word, NET_AT, 56)
    net_b: int256 = before_b + size_b
    if abs(net_b) > abs(before_b):
        assert convert(abs(net_b), uint256) <= terms >> CAP_AT, "BACKSTOP_CAPACITY"
    self._markets[market] = (word & ~(MASK_56 << NET_AT)) | self._field(net_b, NET_AT, 56)


@internal
def _move_pool(pool: uint256, word: uint256, quote_q: int256, fund_q: int256):
    """
    @dev The pool's quote and its fund change by these; the fund never goes below zero.
    """
    quote: int256 = self._signed(word, 0, FUND_AT) + quote_q
    fund: int256 = convert((word >> FUND_AT) & MASK_104, int256) + fund_q
    assert 0 <= fund and fund <= convert(MASK_104, int256), "INSURANCE_TOO_SMALL"
    flags: uint256 = (word >> PAUSED_AT) << PAUSED_AT
    self._pools[pool] = flags | (convert(fund, uint256) << FUND_AT) | self._field(quote, 0, FUND_AT)


@internal
@pure
def _fee_q(worth_q: int256, terms: uint256) -> int256:
    """
    @dev Fee on a fill of this worth, rounded up.
    """
    return words.mul_div_up(abs(worth_q), convert(terms & MASK_24, int256), words.PPM)


@internal
def _close(
    trader: address,
    pool: uint256,
    market: uint256,
    word: uint256,
    size_b: int256,
    index: int256,
    equity_q: int256,
    required_q: int256,
) -> (int256, int256, int256):
    """
    @dev Close a whole position of a subaccount with this equity and maintenance margin by liquidation: the pool takes it
         at the mark, the keeper and the fund share the fee, the fund and then the pool pay what is missing.
    @return What the subaccount's quote, its equity and its maintenance margin change by.
    """
    terms: uint256 = self._terms[market]
    worth_q: int256 = self._worth_q(size_b, word)
    own_q: int256 = self._required_q(size_b, word, MAINTENANCE_AT)
    left_q: int256 = worth_q - margin_rules.bankruptcy_quote_q(worth_q, equity_q, own_q, required_q)
    fee_ppm: int256 = convert((terms >> LIQUIDATION_FEE_AT) & MASK_24, int256)
    fee_q: int256 = margin_rules.liquidation_fee_q(abs(worth_q), fee_ppm, left_q)
    share_q: int256 = margin_rules.fee_share_q(fee_q, convert((terms >> FUND_SHARE_AT) & MASK_24, int256))
    loss_q: int256 = max(0, -left_q)
    due_q: int256 = self._funding_q(size_b, index, word) + worth_q
    funds: uint256 = self._pools[pool]
    paid_q: int256 = min(loss_q, convert((funds >> FUND_AT) & MASK_104, int256))
    self._move_net(market, word, -size_b, max_value(uint256))
    self._move_pool(pool, funds, paid_q - loss_q - due_q, share_q - paid_q)
    if fee_q > share_q:
        self.rewards[msg.sender] += convert(fee_q - share_q, uint256)
    log Liquidated(
        trader=trader, market=market, size_b=-size_b, price=self._price(word), fee_q=fee_q, loss_q=loss_q
    )
    return due_q - fee_q + loss_q, loss_q - fee_q, -own_q


@internal
@pure
def _within(price: int256, limit: int256, size_b: int256) -> bool:
    """
    @dev Whether a price is no worse than what the trader accepts (a limit of zero accepts any).
    """
    return limit == 0 or (price <= limit if size_b > 0 else price >= limit)


# -- money in and out --------------------------------------------------------------------------------------------------


@internal
@pure
def _check_amount(amount_q: uint256):
    assert amount_q != 0, "AMOUNT_NOT_POSITIVE"
    assert amount_q <= AMOUNT_MAX, "AMOUNT_TOO_LARGE"


@internal
def _pull(amount_q: uint256):
    assert extcall token.transferFrom(msg.sender, self, amount_q, default_return_value=True), "TRANSFER_FAILED"


@internal
def _push(to: address, amount_q: uint256):
    assert extcall token.transfer(to, amount_q, default_return_value=True), "TRANSFER_FAILED"


@external
@nonreentrant
def supply(pool: uint256, amount_q: uint256, fund_q: uint256):
    """
    @notice Bring liquidity for the pool and money for its insurance fund. It stays there: nobody gets shares for it.
    """
    self._check_amount(amount_q + fund_q)
    assert pool < MARKETS_MAX, "POOL_UNKNOWN"
    self._move_pool(pool, self._pools[pool], convert(amount_q, int256), convert(fund_q, int256))
    log Supplied(pool=pool, amount_q=convert(amount_q, int256), fund_q=fund_q)
    self._pull(amount_q + fund_q)


@external
@nonreentrant
def claim() -> uint256:
    """
    @notice Take what liquidations have earned.
    """
    amount_q: uint256 = self.rewards[msg.sender]
    self._check_amount(amount_q)
    self.rewards[msg.sender] = 0
    self._push(msg.sender, amount_q)
    return amount_q


# -- views -------------------------------------------------------------------------------------------------------------


@external
@view
def market_of(market: uint256) -> (uint256, uint256, int256, uint256, uint256, int256):
    """
    @notice Price, its time, funding index, initial and maintenance rate (ppm), net size of all traders.
    """
    word: uint256 = self._markets[market]
    return (
        word & MASK_56,
        (word >> TIME_AT) & MASK_32,
        self._index(word),
        (word >> INITIAL_AT) & MASK_24,
        (word >> MAINTENANCE_AT) & MASK_24,
        self._signed(word, NET_AT, 56),
    )


@external
@view
def pool_of(pool: uint256) -> (int256, uint256, bool):
    """
    @notice Quote of a pool, its insurance fund, and whether it is paused.
    """
    word: uint256 = self._pools[pool]
    return (
        self._signed(word, 0, FUND_AT),
        (word >> FUND_AT) & MASK_104,
        (word >> PAUSED_AT) & 1 == 1,
    )
