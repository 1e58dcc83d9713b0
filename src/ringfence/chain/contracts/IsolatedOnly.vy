# pragma version ==0.4.3
# pragma optimize gas
"""
@title Isolated margin: one position per market, each with collateral of its own
@license Apache-2.0
@notice The first of the two baseline designs. A trader's position in a market is a subaccount; nothing that happens to it
        touches another. Every market has a pool and an insurance fund of its own, which has the market's number.
@dev A subaccount is one word: quote 112 | size 56 | funding index 64. Every call costs the same whatever else the trader
     holds and whatever else is listed.
"""

import baseline

initializes: baseline
exports: baseline.__interface__

event Transfer:
    trader: indexed(address)
    source: indexed(uint256)
    target: indexed(uint256)
    amount_q: uint256

SIZE_AT: constant(uint256) = 112
ENTRY_AT: constant(uint256) = 168

_positions: HashMap[address, uint256[baseline.MARKETS_MAX]]


@deploy
def __init__(token: address, max_age_s: uint256):
    baseline.__init__(token, max_age_s)


# -- traders -----------------------------------------------------------------------------------------------------------


@external
@nonreentrant
def deposit(market: uint256, amount_q: uint256):
    """
    @notice Bring collateral for one position.
    """
    baseline._check_amount(amount_q)
    assert market < baseline.MARKETS_MAX, "MARKET_UNKNOWN"
    word: uint256 = self._positions[msg.sender][market]
    self._positions[msg.sender][market] = self._with_quote(word, self._quote(word) + convert(amount_q, int256))
    log baseline.Deposit(trader=msg.sender, market=market, amount_q=amount_q)
    baseline._pull(amount_q)


@external
@nonreentrant
def withdraw(market: uint256, amount_q: uint256):
    """
    @notice Take collateral out; initial margin must stay while there is a position.
    """
    baseline._check_amount(amount_q)
    assert market < baseline.MARKETS_MAX, "MARKET_UNKNOWN"
    self._take(market, amount_q)
    log baseline.Withdrawal(trader=msg.sender, market=market, amount_q=amount_q)
    baseline._push(msg.sender, amount_q)


@external
def transfer_margin(source: uint256, target: uint256, amount_q: uint256):
    """
    @notice Move collateral from one of one's positions to another.
    """
    baseline._check_amount(amount_q)
    assert source < baseline.MARKETS_MAX and target < baseline.MARKETS_MAX, "MARKET_UNKNOWN"
    assert source != target, "SUBACCOUNTS_MUST_DIFFER"
    self._take(source, amount_q)
    word: uint256 = self._positions[msg.sender][target]
    self._positions[msg.sender][target] = self._with_quote(word, self._quote(word) + convert(amount_q, int256))
    log Transfer(trader=msg.sender, source=source, target=target, amount_q=amount_q)


@external
@nonreentrant
def trade(market: uint256, size_b: int256, limit: int256, deposit_q: uint256):
    """
    @notice Trade `size_b` lots (negative: sell) against the market's pool at the mark, no worse than `limit` (0: any);
            `deposit_q` of collateral comes with it. What only shrinks the position is not refused for margin; closing it
            is, where a debt would be left behind.
    """
    assert size_b != 0, "AMOUNT_NOT_POSITIVE"
    word: uint256 = baseline._fresh(market)
    price: int256 = baseline._price(word)
    assert baseline._within(price, limit, size_b), "PRICE_BEYOND_LIMIT"
    position: uint256 = self._positions[msg.sender][market]
    held_b: int256 = self._size(position)
    terms: uint256 = baseline._terms[market]
    funds: uint256 = baseline._pools[market]
    worth_q: int256 = baseline._worth_q(size_b, word)
    fee_q: int256 = baseline._fee_q(worth_q, terms)
    paid_q: int256 = worth_q + fee_q - baseline._funding_q(held_b, self._entry(position), word)
    quote_q: int256 = self._quote(position) + convert(deposit_q, int256) - paid_q
    if baseline._adds_risk(held_b, size_b):
        assert funds >> baseline.PAUSED_AT == 0, "PAUSED"
        required_q: int256 = baseline._required_q(held_b + size_b, word, baseline.INITIAL_AT)
        assert quote_q + baseline._worth_q(held_b + size_b, word) >= required_q, "INITIAL_MARGIN"
    elif held_b + size_b == 0:
        assert quote_q >= 0, "INITIAL_MARGIN"
    self._positions[msg.sender][market] = self._packed(quote_q, held_b + size_b, baseline._index(word))
    baseline._move_net(market, word, size_b, terms)
    baseline._move_pool(market, funds, paid_q, 0)
    log baseline.Trade(trader=msg.sender, market=market, size_b=size_b, price=price, fee_q=fee_q)
    if deposit_q != 0:
        assert deposit_q <= baseline.AMOUNT_MAX, "AMOUNT_TOO_LARGE"
        log baseline.Deposit(trader=msg.sender, market=market, amount_q=deposit_q)
        baseline._pull(deposit_q)


# -- keepers -----------------------------------------------------------------------------------------------------------


@external
def liquidate(trader: address, market: uint256):
    """
    @notice Close a position that lacks its maintenance margin; anybody may, and is rewarded out of the fee.
    """
    word: uint256 = baseline._fresh(market)
    position: uint256 = self._positions[trader][market]
    size_b: int256 = self._size(position)
    assert size_b != 0, "POSITION_UNKNOWN"
    entry: int256 = self._entry(position)
    equity_q: int256 = self._quote(position) + baseline._worth_q(size_b, word) + baseline._funding_q(size_b, entry, word)
    required_q: int256 = baseline._required_q(size_b, word, baseline.MAINTENANCE_AT)
    assert equity_q < required_q, "NOT_LIQUIDATABLE"
    change_q: int256 = baseline._close(trader, market, market, word, size_b, entry, equity_q, required_q)[0]
    self._positions[trader][market] = self._packed(self._quote(position) + change_q, 0, 0)


# -- views -------------------------------------------------------------------------------------------------------------


@external
@view
def position_of(trader: address, market: uint256) -> (int256, int256, int256):
    """
    @notice Quote balance, size and funding index of a subaccount.
    """
    position: uint256 = self._positions[trader][market]
    return self._quote(position), self._size(position), self._entry(position)


@external
@view
def risk_of(trader: address, market: uint256) -> (int256, int256, int256):
    """
    @notice Equity, initial and maintenance margin of a subaccount, at the present price whatever its age.
    """
    word: uint256 = baseline._markets[market]
    position: uint256 = self._positions[trader][market]
    size_b: int256 = self._size(position)
    equity_q: int256 = self._quote(position)
    if size_b != 0:
        equity_q += baseline._worth_q(size_b, word) + baseline._funding_q(size_b, self._entry(position), word)
    return (
        equity_q,
        baseline._required_q(size_b, word, baseline.INITIAL_AT),
        baseline._required_q(size_b, word, baseline.MAINTENANCE_AT),
    )


# -- inside ------------------------------------------------------------------------------------------------------------


@internal
def _take(market: uint256, amount_q: uint256):
    """
    @dev Collateral leaves a subaccount of the caller, which must keep its initial margin.
    """
    position: uint256 = self._positions[msg.sender][market]
    quote_q: int256 = self._quote(position) - convert(amount_q, int256)
    size_b: int256 = self._size(position)
    if size_b == 0:
        assert quote_q >= 0, "INITIAL_MARGIN"
        self._positions[msg.sender][market] = self._packed(quote_q, 0, 0)
        return
    word: uint256 = baseline._fresh(market)
    due_q: int256 = baseline._funding_q(size_b, self._entry(position), word)
    equity_q: int256 = quote_q + due_q + baseline._worth_q(size_b, word)
    assert equity_q >= baseline._required_q(size_b, word, baseline.INITIAL_AT), "INITIAL_MARGIN"
    if due_q != 0:
        baseline._move_pool(market, baseline._pools[market], -due_q, 0)
    self._positions[msg.sender][market] = self._packed(quote_q + due_q, size_b, baseline._index(word))


@internal
@pure
def _quote(position: uint256) -> int256:
    return baseline._signed(position, 0, 112)


@internal
@pure
def _size(position: uint256) -> int256:
    return baseline._signed(position, SIZE_AT, 56)


@internal
@pure
def _entry(position: uint256) -> int256:
    """
    @dev Funding index up to which the position is settled.
    """
    return baseline._signed(position, ENTRY_AT, 64)


@internal
@pure
def _with_quote(position: uint256, quote_q: int256) -> uint256:
    return ((position >> SIZE_AT) << SIZE_AT) | baseline._field(quote_q, 0, 112)


@internal
@pure
def _packed(quote_q: int256, size_b: int256, index: int256) -> uint256:
    """
    @dev A flat subaccount is its quote alone, so that an empty one is an empty word.
    """
    quote: uint256 = baseline._field(quote_q, 0, 112)
    if size_b == 0:
        return quote
    return quote | baseline._field(size_b, SIZE_AT, 56) | baseline._field(index, ENTRY_AT, 64)
