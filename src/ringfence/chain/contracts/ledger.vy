# pragma version ==0.4.3
"""
@title Subaccounts and pools
@license Apache-2.0
@notice A subaccount is measured in one pass over what it holds; after that every change of one position is a
        difference of two legs, so that a trade or a whole liquidation reads each position once. Rounding, order and
        every division are the engine's (`clearing/risk.py`, `clearing/draft.py`).
@dev    `Sub` is a subaccount in memory: opened from its head, measured where margin matters, stored once at the
        end.
"""
import words
import margin_rules as rules
import layout
import markets

uses: markets


struct Risk:
    equity_q: int256
    initial_q: int256
    maintenance_q: int256
    notional_q: int256


struct Sub:
    key: uint256  # account << 8 | number
    quote_q: int256
    held: uint256  # bitmap of markets
    assets: uint256  # bitmap of collateral assets
    orders: uint256  # states of its first orders, two bits each (see `orders`)
    risk: Risk


heads: HashMap[uint256, uint256]
positions: HashMap[uint256, uint256]
balances: HashMap[uint256, uint256]
pools: uint256[16]
debts: public(uint256[16])  # losses that a pool's fund could not pay, to be shared by traders


@internal
@pure
def key_of(account: address, sub: uint256) -> uint256:
    """
    @notice The key of an account's subaccount.
    """
    return (convert(account, uint256) << 8) | sub


@internal
@view
def pool_key(pool: uint256) -> uint256:
    """
    @notice The key of the subaccount that holds a pool's liquidity.
    """
    return (convert(self, uint256) << 8) | pool


@internal
@view
def opened(key: uint256) -> Sub:
    """
    @notice A subaccount in memory, not measured.
    """
    head: uint256 = self.heads[key]
    return Sub(
        key=key,
        quote_q=layout.signed(head, 176, 176),
        held=(head >> 80) & (2**128 - 1),
        assets=(head >> 208) & (2**16 - 1),
        orders=head >> 224,
        risk=empty(Risk),
    )


@internal
@view
def victim(account: address, sub: uint8) -> Sub:
    """
    @notice A trader's subaccount in memory, not measured.
    """
    assert account != self, "SYSTEM_SUBACCOUNT"
    return self.opened(self.key_of(account, convert(sub, uint256)))


@internal
def store(sub: Sub):
    """
    @notice Write a subaccount's head.
    """
    head: uint256 = layout.bits(sub.quote_q, 80) | (sub.held << 80) | (sub.assets << 208) | (sub.orders << 224)
    self.heads[sub.key] = head


# -- measuring -----------------------------------------------------------------------------------------------------


@internal
@view
def leg_risk(market: uint256, word: uint256, size_b: int256) -> Risk:
    """
    @notice Worth, initial and maintenance margin and notional of lots in a market, without cash.
    """
    if size_b == 0:
        return empty(Risk)
    # Fields of a word are far below 2^255: converting by way of bytes32 leaves a needless range check out.
    price: int256 = convert(convert(word & (2**48 - 1), bytes32), int256)
    den: int256 = convert(convert(10 ** ((word >> 236) & 31), bytes32), int256)
    notional_q: int256 = rules.notional_up_q(size_b, price, den)
    initial_ppm: int256 = convert(convert((word >> 168) & (2**20 - 1), bytes32), int256)
    maintenance_ppm: int256 = convert(convert((word >> 188) & (2**20 - 1), bytes32), int256)
    deduction: int256 = 0
    second: uint256 = (word >> 208) & (2**24 - 1)
    if second != 0 and notional_q >= convert(second, int256) * layout.TIER_UNIT_Q:
        initial_ppm, maintenance_ppm, deduction = self._tier(market, notional_q, maintenance_ppm)
    maintenance_q: int256 = rules.tiered_up_q(notional_q, maintenance_ppm, deduction, words.PPM)
    return Risk(
        equity_q=rules.value_down_q(size_b, price, den),
        initial_q=max(rules.fraction_up_q(notional_q, initial_ppm, words.PPM), maintenance_q),
        maintenance_q=maintenance_q,
        notional_q=notional_q,
    )


@internal
@view
def _tier(market: uint256, notional_q: int256, first_ppm: int256) -> (int256, int256, int256):
    """
    @notice Rates and deduction of the tier, from the second on, that a notional falls into.
    """
    table: uint256 = markets.tables[market]
    initial_ppm: int256 = 0
    maintenance_ppm: int256 = first_ppm
    deduction: int256 = 0
    for i: uint256 in range(3):
        row: uint256 = (table >> (64 * i)) & (2**64 - 1)
        lower_q: int256 = convert(row & (2**24 - 1), int256) * layout.TIER_UNIT_Q
        if row == 0 or notional_q < lower_q:
            break
        next_ppm: int256 = convert((row >> 44) & (2**20 - 1), int256)
        deduction = rules.tier_deduction(deduction, lower_q, next_ppm, maintenance_ppm)
        initial_ppm = convert((row >> 24) & (2**20 - 1), int256)
        maintenance_ppm = next_ppm
    return initial_ppm, maintenance_ppm, deduction


@internal
@view
def collateral_q(asset: uint256, amount: uint256) -> int256:
    """
    @notice What a collateral counts for after its haircut.
    """
    at: layout.Asset = layout.asset_of(markets.asset_words[asset])
    assert at.price > 0, "PRICE_NOT_SET"
    assert at.time >= markets.oldest(), "PRICE_STALE"
    raw_q: int256 = rules.value_down_q(convert(amount, int256), at.price, at.den)
    return rules.collateral_value_q(raw_q, at.haircut_ppm, 0, words.PPM)


@internal
@view
def assets_q(sub: Sub) -> int256:
    total_q: int256 = 0
    rest: uint256 = sub.assets
    for asset: uint256 in range(markets.ASSETS):
        if rest == 0:
            break
        if rest & 1 == 1:
            total_q += self.collateral_q(asset, self.balances[(sub.key << 8) | asset])
        rest >>= 1
    return total_q


@internal
@view
def measured(sub: Sub) -> Sub:
    """
    @notice The subaccount with its risk; funding that is due counts, and stays due.
    """
    found: Sub = sub
    found.risk = Risk(
        equity_q=sub.quote_q + self.assets_q(sub), initial_q=0, maintenance_q=0, notional_q=0
    )
    oldest: uint256 = markets.oldest()
    for market: uint256 in range(markets.MARKETS):
        if sub.held >> market == 0:
            break
        if (sub.held >> market) & 1 == 0:
            continue
        word: uint256 = markets.market_words[market]
        assert (word >> 48) & (2**32 - 1) >= oldest, "PRICE_STALE"
        held: uint256 = self.positions[(sub.key << 8) | market]
        size_b: int256 = layout.signed(held, 176, 176)
        due_q: int256 = self._due_q(size_b, held, word)
        found.risk = self.moved_risk(found.risk, empty(Risk), self.leg_risk(market, word, size_b), due_q)
    return found


@internal
@pure
def _due_q(size_b: int256, held: uint256, word: uint256) -> int256:
    """
    @notice Funding that a position would receive if it were settled now.
    """
    delta: int256 = layout.index_of(word) - layout.signed(held, 0, 168)
    return rules.funding_payment_down_q(size_b, delta, words.WAD)


# -- changing ------------------------------------------------------------------------------------------------------


@internal
def settled(sub: Sub) -> Sub:
    """
    @notice The subaccount with its risk, after the funding of all of its positions was booked.
    """
    found: Sub = sub
    equity_q: int256 = 0
    initial_q: int256 = 0
    maintenance_q: int256 = 0
    notional_q: int256 = 0
    if sub.assets != 0:
        equity_q = self.assets_q(sub)
    oldest: uint256 = markets.oldest()
    market: uint256 = 0
    rest: uint256 = sub.held
    for i: uint256 in range(markets.MARKETS):
        if rest == 0:
            break
        if rest & 65535 == 0:
            rest >>= 16
            market = unsafe_add(market, 16)
            continue
        if rest & 1 == 1:
            word: uint256 = markets.market_words[market]
            assert (word >> 48) & (2**32 - 1) >= oldest, "PRICE_STALE"
            at: uint256 = (sub.key << 8) | market
            held: uint256 = self.positions[at]
            size_b: int256 = convert(convert(held << 176, bytes32), int256) >> 176
            if held >> 168 != (word << 88) >> 168:
                found.quote_q += self._due_q(size_b, held, word)
                self.positions[at] = (held & (2**168 - 1)) | ((word >> 80) << 168)
            leg: Risk = self.leg_risk(market, word, size_b)
            # A leg's amounts are below 2^150 (80 bits of lots, 48 of price, 20 of rate): 128 of them cannot wrap.
            equity_q = unsafe_add(equity_q, leg.equity_q)
            initial_q = unsafe_add(initial_q, leg.initial_q)
            maintenance_q = unsafe_add(maintenance_q, leg.maintenance_q)
            notional_q = unsafe_add(notional_q, leg.notional_q)
        rest >>= 1
        market = unsafe_add(market, 1)
    found.risk = Risk(
        equity_q=found.quote_q + equity_q, initial_q=initial_q, maintenance_q=maintenance_q, notional_q=notional_q
    )
    return found


@internal
def filled(sub: Sub, market: uint256, word: uint256, size_b: int256, received_q: int256) -> Sub:
    """
    @notice The subaccount after its position changed by `size_b` lots for quote received; funding of that position
            is booked. Its risk is not touched: see `moved_risk`.
    """
    found: Sub = sub
    at: uint256 = (sub.key << 8) | market
    held: uint256 = self.positions[at]
    now: layout.Position = layout.position_of(held)
    index: int256 = layout.index_of(word)
    if now.size_b != 0 and now.index != index:
        found.quote_q += self._due_q(now.size_b, held, word)
    after_b: int256 = now.size_b + size_b
    cost_q: int256 = now.cost_q + self._cost_change_q(now, size_b, -received_q)
    self.positions[at] = layout.position_word(layout.Position(size_b=after_b, cost_q=cost_q, index=index))
    found.quote_q += received_q
    found.held = (found.held | (1 << market)) if after_b != 0 else (found.held & ~(1 << market))
    return found


@internal
@pure
def _cost_change_q(held: layout.Position, size_b: int256, paid_q: int256) -> int256:
    """
    @notice Change of a position's cost when lots are added for `paid_q` (negative: received).
    """
    if held.size_b == 0 or (held.size_b > 0) == (size_b > 0):
        return paid_q
    if abs(size_b) <= abs(held.size_b):
        return -rules.released_cost_q(held.cost_q, held.size_b, abs(size_b))
    return paid_q - words.mul_div_down(paid_q, abs(held.size_b), abs(size_b)) - held.cost_q


@internal
@view
def size_of(key: uint256, market: uint256) -> int256:
    """
    @notice Signed lots that a subaccount holds.
    """
    return layout.signed(self.positions[(key << 8) | market], 176, 176)


@internal
@pure
def moved_risk(total: Risk, freed: Risk, asked: Risk, cash_q: int256) -> Risk:
    """
    @notice The risk of a subaccount in which one leg took the place of another and cash came in.
    """
    return Risk(
        equity_q=total.equity_q - freed.equity_q + asked.equity_q + cash_q,
        initial_q=total.initial_q - freed.initial_q + asked.initial_q,
        maintenance_q=total.maintenance_q - freed.maintenance_q + asked.maintenance_q,
        notional_q=total.notional_q - freed.notional_q + asked.notional_q,
    )


@internal
@pure
def may_act(before: Risk, after: Risk) -> bool:
    """
    @notice Whether a change may stand: with initial margin always, otherwise only if it makes the subaccount no
            riskier.
    """
    if after.equity_q >= after.initial_q:
        return True
    if after.maintenance_q > before.maintenance_q:
        return False
    if after.maintenance_q == 0 or before.maintenance_q == 0:
        return after.maintenance_q == before.maintenance_q and after.equity_q > before.equity_q
    return after.equity_q * before.maintenance_q >= before.equity_q * after.maintenance_q


@internal
@pure
def is_liquidatable(risk: Risk) -> bool:
    """
    @notice Below maintenance margin; never without a requirement.
    """
    return risk.maintenance_q > 0 and risk.equity_q < risk.maintenance_q


@internal
@pure
def bankruptcy_q(total: Risk, whole: Risk, rest: Risk) -> int256:
    """
    @notice Quote that closing a part of a leg must bring to use up exactly its share of the equity.
    """
    return rules.bankruptcy_quote_q(
        whole.equity_q - rest.equity_q,
        total.equity_q,
        max(0, whole.maintenance_q - rest.maintenance_q),
        total.maintenance_q,
    )


# -- pools ---------------------------------------------------------------------------------------------------------


@internal
@view
def fund_q(pool: uint256) -> int256:
    """
    @notice What a pool's insurance fund holds.
    """
    return convert(self.pools[pool] & (2**104 - 1), int256)


@internal
@view
def fees_of(pool: uint256) -> uint256:
    """
    @notice Fees that a pool has earned and nobody collected yet.
    """
    return (self.pools[pool] >> 104) & (2**104 - 1)


@internal
@view
def positions_of(pool: uint256) -> uint256:
    """
    @notice How many positions traders hold in a pool's markets.
    """
    return (self.pools[pool] >> 208) & (2**32 - 1)


@internal
def set_paused(pool: uint256, paused: bool):
    """
    @notice Turn a pool's switch.
    """
    self.pools[pool] = (self.pools[pool] & (2**240 - 1)) | (convert(paused, uint256) << 240)


@internal
@pure
def more_held(before: uint256, after: uint256) -> int256:
    """
    @notice Positions that one fill opened (negative: closed), by the bitmaps of markets before and after it.
    """
    if before == after:
        return 0
    return 1 if after > before else -1


@internal
def add_to_pool(pool: uint256, fund_q: int256, fees_q: int256, positions: int256, grows: bool):
    """
    @notice Change a pool's insurance fund, its fees and the number of traders' positions in its markets.
    @param grows Whether somebody adds lots, which the switch refuses.
    """
    if fund_q == 0 and fees_q == 0 and positions == 0 and not grows:
        return
    word: uint256 = self.pools[pool]
    assert word >> 240 == 0 or not grows, "PAUSED"
    fund: int256 = convert(word & (2**104 - 1), int256) + fund_q
    fees: int256 = convert((word >> 104) & (2**104 - 1), int256) + fees_q
    held: int256 = convert((word >> 208) & (2**32 - 1), int256) + positions
    assert fund >= 0 and fees >= 0 and fund < 2**104 and fees < 2**104 and held < 2**32, "AMOUNT_TOO_LARGE"
    low: uint256 = convert(fund, uint256) | (convert(fees, uint256) << 104)
    self.pools[pool] = (word >> 240 << 240) | low | (convert(held, uint256) << 208)
