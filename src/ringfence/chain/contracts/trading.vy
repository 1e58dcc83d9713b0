# pragma version ==0.4.3
"""
@title Trades
@license Apache-2.0
@notice Against a pool at its price, or between two signed orders at the maker's. Both sides of a trade are measured
        once; a trader keeps initial margin or becomes no riskier. The switch is read only by who adds lots. Where the
        terms say so, lots closed against a pool are judged by their own position alone (`clearing/reducing.py`).
"""
import words
import margin_rules as rules
import layout
import terms
import markets
import ledger
import orders

uses: terms
uses: markets
uses: ledger
uses: orders


struct Match:
    taker: orders.Signed
    maker: orders.Signed
    size_b: uint256


struct Side:
    fee_q: int256
    opened: int256  # positions
    grows: bool  # whether lots were added


event Filled:
    market: indexed(uint8)
    taker: indexed(uint256)
    maker: indexed(uint256)
    size_b: int256
    price: int256


@external
@nonreentrant
def trade(sub: uint8, market: uint8, size_b: int256, limit_price: uint256):
    """
    @notice Buy (negative: sell) lots from the market's pool, at the mark or worse by its spread, within a limit.
    """
    self._trade(ledger.key_of(msg.sender, convert(sub, uint256)), market, size_b, limit_price)


@external
@nonreentrant
def close(sub: uint8, market: uint8, limit_price: uint256):
    """
    @notice Close the caller's position against the market's pool.
    """
    key: uint256 = ledger.key_of(msg.sender, convert(sub, uint256))
    size_b: int256 = ledger.size_of(key, convert(market, uint256))
    assert size_b != 0, "POSITION_UNKNOWN"
    self._trade(key, market, -size_b, limit_price)


@external
@nonreentrant
def settle(fill: Match):
    """
    @notice Fill two signed orders against each other at the maker's price; anybody may.
    """
    self._settle(fill)


@external
@nonreentrant
def settle_many(fills: DynArray[Match, 16]):
    """
    @notice Fill several pairs of orders, or none.
    """
    for fill: Match in fills:
        self._settle(fill)


@internal
def _trade(key: uint256, market: uint8, size_b: int256, limit_price: uint256):
    id: uint256 = convert(market, uint256)
    word: uint256 = self._tradable(id, size_b)
    pool: uint256 = layout.pool_of(word)
    price: int256 = rules.slipped_price(layout.mark_of(word), layout.spread_of(word), size_b < 0)
    self._within(size_b > 0, price, convert(limit_price, int256))
    worth_q: int256 = rules.value_down_q(size_b, price, layout.den_of(word))
    taken: Side = self._side(ledger.opened(key), id, word, size_b, -worth_q, terms.TAKER_FEE_PPM, False, terms.FREE_REDUCE)
    maker: ledger.Sub = ledger.opened(ledger.pool_key(pool))
    self._check_capacity(ledger.size_of(maker.key, id), size_b, id, word)
    maker = ledger.filled(maker, id, word, -size_b, worth_q)
    maker_fee_q: int256 = words.mul_div_up(abs(worth_q), terms.MAKER_FEE_PPM, words.PPM)
    maker.quote_q -= maker_fee_q
    ledger.store(maker)
    ledger.add_to_pool(pool, 0, taken.fee_q + maker_fee_q, taken.opened, taken.grows)
    log Filled(market=market, taker=key, maker=maker.key, size_b=size_b, price=price)


@internal
def _settle(fill: Match):
    taking: orders.Order = fill.taker.order
    resting: orders.Order = fill.maker.order
    assert fill.size_b > 0, "AMOUNT_NOT_POSITIVE"
    assert taking.market == resting.market and (taking.size_b > 0) != (resting.size_b > 0), "ORDER_MISMATCH"
    lots: int256 = convert(fill.size_b, int256)
    size_b: int256 = lots if taking.size_b > 0 else -lots
    id: uint256 = convert(taking.market, uint256)
    word: uint256 = self._tradable(id, size_b)
    price: int256 = convert(resting.price, int256)
    assert price > 0, "PRICE_NOT_POSITIVE"
    assert price < 2**48, "AMOUNT_TOO_LARGE"
    self._within(size_b > 0, price, convert(taking.price, int256))
    taker: ledger.Sub = ledger.opened(ledger.key_of(taking.account, convert(taking.sub, uint256)))
    maker: ledger.Sub = ledger.opened(ledger.key_of(resting.account, convert(resting.sub, uint256)))
    assert taker.key != maker.key, "SUBACCOUNTS_MUST_DIFFER"
    taker.orders = orders.used(fill.taker, fill.size_b, taker)
    maker.orders = orders.used(fill.maker, fill.size_b, maker)
    worth_q: int256 = rules.value_down_q(size_b, price, layout.den_of(word))
    taken: Side = self._side(taker, id, word, size_b, -worth_q, terms.TAKER_FEE_PPM, False, False)
    made: Side = self._side(maker, id, word, -size_b, worth_q, terms.MAKER_FEE_PPM, True, False)
    pool: uint256 = layout.pool_of(word)
    ledger.add_to_pool(pool, 0, taken.fee_q + made.fee_q, taken.opened + made.opened, taken.grows or made.grows)
    log Filled(market=taking.market, taker=taker.key, maker=maker.key, size_b=size_b, price=price)


@internal
@view
def _tradable(market: uint256, size_b: int256) -> uint256:
    """
    @notice The word of a market in which so many lots may be traded.
    """
    assert size_b != 0, "AMOUNT_NOT_POSITIVE"
    assert abs(size_b) < 2**79, "AMOUNT_TOO_LARGE"
    assert market < markets.MARKETS, "MARKET_UNKNOWN"
    word: uint256 = markets.market_word(market)
    assert abs(size_b) % layout.step_of(word) == 0, "SIZE_NOT_A_MULTIPLE"
    return word


@internal
@pure
def _within(buys: bool, price: int256, limit: int256):
    """
    @notice Refuse a price that is worse than a limit.
    """
    assert price <= limit if buys else price >= limit, "PRICE_BEYOND_LIMIT"


@internal
@view
def _check_capacity(pool_b: int256, size_b: int256, market: uint256, word: uint256):
    """
    @notice Refuse a trade that makes a pool's position larger than the market's owner allows.
    """
    after_b: int256 = pool_b - size_b
    if not rules.is_smaller(pool_b, after_b):
        limit_q: int256 = convert(markets.tables[market] >> 192, int256) * layout.CAPACITY_UNIT_Q
        assert ledger.leg_risk(market, word, after_b).notional_q <= limit_q, "BACKSTOP_CAPACITY"


@internal
def _side(
    sub: ledger.Sub,
    market: uint256,
    word: uint256,
    size_b: int256,
    received_q: int256,
    fee_ppm: int256,
    is_maker: bool,
    may_be_free: bool,
) -> Side:
    """
    @notice One side of a trade: a subaccount measured, filled, judged and stored.
    """
    before_b: int256 = ledger.size_of(sub.key, market)
    after_b: int256 = before_b + size_b
    shrinks: bool = rules.is_smaller(before_b, after_b)
    freed: ledger.Risk = ledger.leg_risk(market, word, before_b)
    asked: ledger.Risk = ledger.leg_risk(market, word, after_b)
    fee_q: int256 = words.mul_div_up(abs(received_q), fee_ppm, words.PPM)
    cash_q: int256 = received_q - fee_q
    is_free: bool = may_be_free and shrinks and self._is_free(sub.held, market, word, after_b, freed, asked, cash_q)
    before: ledger.Sub = sub
    if not is_free:
        before = ledger.settled(sub)
        stands: bool = ledger.may_act(before.risk, ledger.moved_risk(before.risk, freed, asked, cash_q))
        if is_maker:
            assert stands, "INITIAL_MARGIN_COUNTERPARTY"
        assert stands, "INITIAL_MARGIN"
    after: ledger.Sub = ledger.filled(before, market, word, size_b, received_q)
    after.quote_q -= fee_q
    ledger.store(after)
    return Side(fee_q=fee_q, opened=ledger.more_held(sub.held, after.held), grows=not shrinks)


@internal
@view
def _is_free(
    held: uint256,
    market: uint256,
    word: uint256,
    after_b: int256,
    freed: ledger.Risk,
    asked: ledger.Risk,
    cash_q: int256,
) -> bool:
    """
    @notice Whether closing lots frees at least the maintenance margin that it costs, while a position that can be
            liquidated is left and all that are held share the market's pool.
    """
    if after_b == 0 and held == 1 << market:
        return False
    if held & ~markets.members[layout.pool_of(word)] != 0:
        return False
    return freed.equity_q - asked.equity_q - cash_q <= freed.maintenance_q - asked.maintenance_q
