# pragma version ==0.4.3
# pragma optimize gas
"""
@title Cross margin: one balance of collateral for all positions of a trader
@license Apache-2.0
@notice The second of the two baseline designs. A trader has one subaccount with up to 64 positions, judged together; all
        markets share one pool and one insurance fund, number 0.
@dev An account is one word, quote 128 | markets held 64 (a bitmap), and half a word per position, size 64 | funding index
     64: markets 2 n and 2 n + 1 share one. A margin check reads the account, and for each position its market and half
     its own word; what is listed but not held costs nothing.
"""

import baseline
import margin_rules
import words

initializes: baseline
exports: baseline.__interface__

HELD_AT: constant(uint256) = 128
POOL: constant(uint256) = 0

PAIRS: constant(uint256) = baseline.MARKETS_MAX // 2
HALF: constant(uint256) = 128
HALF_MASK: constant(uint256) = 2 ** 128 - 1
MASK_64: constant(uint256) = 2 ** 64 - 1

_accounts: HashMap[address, uint256]
_positions: HashMap[address, uint256[PAIRS]]


@deploy
def __init__(token: address, max_age_s: uint256):
    baseline.__init__(token, max_age_s)


# -- traders -----------------------------------------------------------------------------------------------------------


@external
@nonreentrant
def deposit(amount_q: uint256):
    """
    @notice Bring collateral.
    """
    baseline._check_amount(amount_q)
    account: uint256 = self._accounts[msg.sender]
    quote_q: int256 = self._quote(account) + convert(amount_q, int256)
    self._accounts[msg.sender] = self._packed(quote_q, account >> HELD_AT)
    log baseline.Deposit(trader=msg.sender, market=POOL, amount_q=amount_q)
    baseline._pull(amount_q)


@external
@nonreentrant
def withdraw(amount_q: uint256):
    """
    @notice Take collateral out; the initial margin of all positions must stay.
    """
    baseline._check_amount(amount_q)
    account: uint256 = self._accounts[msg.sender]
    quote_q: int256 = self._quote(account) - convert(amount_q, int256)
    held: uint256 = account >> HELD_AT
    if held == 0:
        assert quote_q >= 0, "INITIAL_MARGIN"
    else:
        self._check_initial(msg.sender, quote_q, held)
    self._accounts[msg.sender] = self._packed(quote_q, held)
    log baseline.Withdrawal(trader=msg.sender, market=POOL, amount_q=amount_q)
    baseline._push(msg.sender, amount_q)


@external
def trade(market: uint256, size_b: int256, limit: int256):
    """
    @notice Trade `size_b` lots (negative: sell) against the pool at the mark, no worse than `limit` (0: any). What only
            shrinks a position looks at no other one; it is refused only where the last one would leave a debt.
    """
    assert size_b != 0, "AMOUNT_NOT_POSITIVE"
    word: uint256 = baseline._fresh(market)
    price: int256 = baseline._price(word)
    assert baseline._within(price, limit, size_b), "PRICE_BEYOND_LIMIT"
    account: uint256 = self._accounts[msg.sender]
    pair: uint256 = self._positions[msg.sender][market >> 1]
    at: uint256 = (market & 1) * HALF
    held_b: int256 = baseline._signed(pair, at, 64)
    terms: uint256 = baseline._terms[market]
    funds: uint256 = baseline._pools[POOL]
    worth_q: int256 = baseline._worth_q(size_b, word)
    fee_q: int256 = baseline._fee_q(worth_q, terms)
    paid_q: int256 = worth_q + fee_q - baseline._funding_q(held_b, baseline._signed(pair, at + 64, 64), word)
    quote_q: int256 = self._quote(account) - paid_q
    after_b: int256 = held_b + size_b
    held: uint256 = account >> HELD_AT
    self._positions[msg.sender][market >> 1] = self._with_position(pair, at, after_b, word)
    if after_b == 0:
        held &= ~(1 << market)
    elif held_b == 0:
        held |= 1 << market
    self._accounts[msg.sender] = self._packed(quote_q, held)
    if baseline._adds_risk(held_b, size_b):
        assert funds >> baseline.PAUSED_AT == 0, "PAUSED"
        self._check_initial(msg.sender, quote_q, held)
    elif held == 0:
        assert quote_q >= 0, "INITIAL_MARGIN"
    baseline._move_net(market, word, size_b, terms)
    baseline._move_pool(POOL, funds, paid_q, 0)
    log baseline.Trade(trader=msg.sender, market=market, size_b=size_b, price=price, fee_q=fee_q)


@external
def settle_funding(trader: address):
    """
    @notice Book what funding all positions have run up; otherwise it is booked when a position is traded.
    """
    account: uint256 = self._accounts[trader]
    held: uint256 = account >> HELD_AT
    due_q: int256 = 0
    for market: uint256 in range(baseline.MARKETS_MAX):
        if held >> market == 0:
            break
        if (held >> market) & 1 == 0:
            continue
        word: uint256 = baseline._markets[market]
        pair: uint256 = self._positions[trader][market >> 1]
        at: uint256 = (market & 1) * HALF
        size_b: int256 = baseline._signed(pair, at, 64)
        due_q += baseline._funding_q(size_b, baseline._signed(pair, at + 64, 64), word)
        self._positions[trader][market >> 1] = self._with_position(pair, at, size_b, word)
    self._accounts[trader] = self._packed(self._quote(account) + due_q, held)
    baseline._move_pool(POOL, baseline._pools[POOL], -due_q, 0)


# -- keepers -----------------------------------------------------------------------------------------------------------


@external
def liquidate(trader: address, markets: uint256) -> uint256:
    """
    @notice Close positions of an account that lacks its maintenance margin, lowest market first, until it has it again;
            anybody may, and is rewarded out of the fees. The account is measured once.
    @param markets Bitmap of the positions to close.
    @return Bitmap of the positions that were closed.
    """
    account: uint256 = self._accounts[trader]
    held: uint256 = account >> HELD_AT
    assert markets != 0 and markets & ~held == 0, "POSITION_UNKNOWN"
    quote_q: int256 = self._quote(account)
    required_q: int256 = 0
    equity_q: int256 = 0
    equity_q, required_q = self._risk(trader, held, baseline.MAINTENANCE_AT)
    equity_q += quote_q
    assert equity_q < required_q, "NOT_LIQUIDATABLE"
    closed: uint256 = 0
    for market: uint256 in range(baseline.MARKETS_MAX):
        if (markets >> market) == 0 or equity_q >= required_q:
            break
        if (markets >> market) & 1 == 0:
            continue
        change: (int256, int256, int256) = self._close_one(trader, market, equity_q, required_q)
        quote_q += change[0]
        equity_q += change[1]
        required_q += change[2]
        closed |= 1 << market
    self._accounts[trader] = self._packed(quote_q, held & ~closed)
    return closed


# -- views -------------------------------------------------------------------------------------------------------------


@external
@view
def account_of(trader: address) -> (int256, uint256):
    """
    @notice Quote balance of an account, and the bitmap of the markets that it holds positions in.
    """
    account: uint256 = self._accounts[trader]
    return self._quote(account), account >> HELD_AT


@external
@view
def position_of(trader: address, market: uint256) -> (int256, int256):
    """
    @notice Size and funding index of a position.
    """
    pair: uint256 = self._positions[trader][market >> 1]
    at: uint256 = (market & 1) * HALF
    return baseline._signed(pair, at, 64), baseline._signed(pair, at + 64, 64)


@external
@view
def risk_of(trader: address) -> (int256, int256, int256):
    """
    @notice Equity, initial and maintenance margin of an account; no price may be too old.
    """
    account: uint256 = self._accounts[trader]
    held: uint256 = account >> HELD_AT
    equity_q: int256 = 0
    initial_q: int256 = 0
    maintenance_q: int256 = 0
    equity_q, initial_q = self._risk(trader, held, baseline.INITIAL_AT)
    equity_q, maintenance_q = self._risk(trader, held, baseline.MAINTENANCE_AT)
    return equity_q + self._quote(account), initial_q, maintenance_q


# -- inside ------------------------------------------------------------------------------------------------------------


@internal
@view
def _risk(trader: address, held: uint256, rate_at: uint256) -> (int256, int256):
    """
    @dev What all positions are worth with the funding they have run up, and the margin they ask at one of the rates.
    """
    equity_q: int256 = 0
    required_q: int256 = 0
    rest: uint256 = held
    for i: uint256 in range(PAIRS):
        if rest == 0:
            break
        if rest & 3 != 0:
            pair: uint256 = self._positions[trader][i]
            leg_q: int256 = 0
            asked_q: int256 = 0
            if rest & 1 != 0:
                leg_q, asked_q = self._leg(pair, baseline._markets[unsafe_mul(2, i)], rate_at)
                equity_q += leg_q
                required_q += asked_q
            if rest & 2 != 0:
                leg_q, asked_q = self._leg(pair >> HALF, baseline._markets[unsafe_add(unsafe_mul(2, i), 1)], rate_at)
                equity_q += leg_q
                required_q += asked_q
        rest >>= 2
    return equity_q, required_q


@internal
@view
def _leg(half: uint256, word: uint256, rate_at: uint256) -> (int256, int256):
    """
    @dev The same of one position.
    """
    # A price that is held was set once, and its time is not after the block's.
    age_s: uint256 = unsafe_sub(block.timestamp, (word >> baseline.TIME_AT) & baseline.MASK_32)
    assert age_s <= baseline.max_age_s, "PRICE_STALE"
    price: int256 = convert(word & baseline.MASK_56, int256)
    size_b: int256 = convert(convert(half << 192, bytes32), int256) >> 192
    worth_q: int256 = margin_rules.value_q(size_b, price, 1, baseline.SCALE_DEN, words.FLOOR)
    notional_q: int256 = margin_rules.notional_q(size_b, price, 1, baseline.SCALE_DEN, words.CEIL)
    rate_ppm: int256 = convert((word >> rate_at) & baseline.MASK_24, int256)
    # Both indices have 64 bits, so equal bits are equal indices.
    if (half >> 64) & MASK_64 != (word >> baseline.INDEX_AT) & MASK_64:
        entry: int256 = convert(convert(half << 128, bytes32), int256) >> 192
        delta: int256 = unsafe_sub(convert(convert(word << 104, bytes32), int256) >> 192, entry)
        worth_q += margin_rules.funding_payment_q(size_b, delta, baseline.INDEX_SCALE, words.FLOOR)
    return worth_q, margin_rules.fraction_q(notional_q, rate_ppm, words.PPM, words.CEIL)


@internal
@view
def _check_initial(trader: address, quote_q: int256, held: uint256):
    equity_q: int256 = 0
    required_q: int256 = 0
    equity_q, required_q = self._risk(trader, held, baseline.INITIAL_AT)
    assert quote_q + equity_q >= required_q, "INITIAL_MARGIN"


@internal
def _close_one(trader: address, market: uint256, equity_q: int256, required_q: int256) -> (int256, int256, int256):
    """
    @dev Close one position by liquidation; see `baseline._close`.
    """
    word: uint256 = baseline._markets[market]
    pair: uint256 = self._positions[trader][market >> 1]
    at: uint256 = (market & 1) * HALF
    size_b: int256 = baseline._signed(pair, at, 64)
    index: int256 = baseline._signed(pair, at + 64, 64)
    self._positions[trader][market >> 1] = self._with_position(pair, at, 0, word)
    return baseline._close(trader, POOL, market, word, size_b, index, equity_q, required_q)


@internal
@pure
def _quote(account: uint256) -> int256:
    return baseline._signed(account, 0, 128)


@internal
@pure
def _packed(quote_q: int256, held: uint256) -> uint256:
    return (held << HELD_AT) | baseline._field(quote_q, 0, 128)


@internal
@pure
def _with_position(pair: uint256, at: uint256, size_b: int256, word: uint256) -> uint256:
    """
    @dev The pair of positions with the half at `at` replaced, settled up to the market's index; nothing where flat.
    """
    other: uint256 = pair & ~(HALF_MASK << at)
    if size_b == 0:
        return other
    return other | baseline._field(size_b, at, 64) | baseline._field(baseline._index(word), at + 64, 64)
