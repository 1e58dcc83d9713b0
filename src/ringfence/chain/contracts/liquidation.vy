# pragma version ==0.4.3
"""
@title Liquidation
@license Apache-2.0
@notice Anybody may close what is below maintenance margin, at the mark against the market's pool: as many lots as
        lift the subaccount to its target, no more. A loss is paid by the pool's insurance fund, then by the pool, or
        where the terms say so it stays as the pool's debt (see `socialization`).
"""
import words
import margin_rules as rules
import layout
import access
import terms
import markets
import ledger
import vault

uses: access
uses: terms
uses: markets
uses: ledger


event Liquidated:
    account: indexed(address)
    sub: uint8
    market: uint8
    size_b: int256
    price: int256
    notional_q: int256
    fee_q: int256
    loss_q: int256

event CollateralSold:
    account: indexed(address)
    sub: uint8
    asset: uint8
    amount: int256
    paid_q: int256


struct Leg:
    market: uint256
    word: uint256
    mark: int256
    den: int256
    step_b: int256
    held_b: int256  # signed lots, none of them closed yet
    whole: ledger.Risk


struct Closing:
    size_b: int256  # signed lots
    got_q: int256  # what the lots bring
    fee_q: int256
    loss_q: int256
    risk: ledger.Risk  # of the subaccount afterwards


# -- liquidation ---------------------------------------------------------------------------------------------------


@external
@nonreentrant
def liquidate(account: address, sub: uint8, market: uint8, size_b: uint256):
    """
    @notice Close (part of) a position of a liquidatable subaccount; the caller gets the fee less the fund's share.
    @param size_b Most lots to close, 0 for what the rulebook allows. The right size is checked with one more
           evaluation of the margin rule; a larger one or 0 costs a search.
    """
    access.may_liquidate()
    id: uint256 = convert(market, uint256)
    assert id < markets.MARKETS, "MARKET_UNKNOWN"
    word: uint256 = markets.market_word(id)
    wanted_b: int256 = convert(size_b, int256)
    assert wanted_b % layout.step_of(word) == 0, "SIZE_NOT_A_MULTIPLE"
    at: ledger.Sub = ledger.victim(account, sub)
    assert (at.held >> id) & 1 == 1, "POSITION_UNKNOWN"
    at = self._judged(at)
    reward_q: int256 = 0
    at, reward_q = self._liquidated(at, id, word, wanted_b)
    ledger.store(at)
    self._reward(reward_q)


@external
@nonreentrant
def liquidate_account(account: address, sub: uint8, listed: DynArray[uint8, 128]):
    """
    @notice Close positions of a liquidatable subaccount in the order given, until it is healthy again; it is
            measured once.
    """
    access.may_liquidate()
    at: ledger.Sub = self._judged(ledger.victim(account, sub))
    total_q: int256 = 0
    reward_q: int256 = 0
    for market: uint8 in listed:
        if not ledger.is_liquidatable(at.risk):
            break
        id: uint256 = convert(market, uint256)
        assert id < markets.MARKETS and (at.held >> id) & 1 == 1, "POSITION_UNKNOWN"
        at, reward_q = self._liquidated(at, id, markets.market_word(id), 0)
        total_q += reward_q
    ledger.store(at)
    self._reward(total_q)


@internal
def _judged(sub: ledger.Sub) -> ledger.Sub:
    """
    @notice The subaccount measured and its funding booked; reverts where it has its maintenance margin.
    """
    found: ledger.Sub = ledger.settled(sub)
    assert ledger.is_liquidatable(found.risk), "NOT_LIQUIDATABLE"
    return found


@internal
@view
def _leg(key: uint256, market: uint256, word: uint256) -> Leg:
    """
    @notice A position that is to be closed, and its market.
    """
    held_b: int256 = ledger.size_of(key, market)
    return Leg(
        market=market,
        word=word,
        mark=layout.mark_of(word),
        den=layout.den_of(word),
        step_b=layout.step_of(word),
        held_b=held_b,
        whole=ledger.leg_risk(market, word, held_b),
    )


@internal
def _liquidated(sub: ledger.Sub, market: uint256, word: uint256, wanted_b: int256) -> (ledger.Sub, int256):
    """
    @notice The subaccount after one liquidation, and the keeper's part of the fee.
    """
    leg: Leg = self._leg(sub.key, market, word)
    closing: Closing = self._allowed(sub.risk, leg, wanted_b)
    size_b: int256 = closing.size_b
    share_q: int256 = rules.fee_share_q(closing.fee_q, terms.FEE_TO_FUND_PPM)
    self._charge_pool(layout.pool_of(word), leg, size_b, closing, share_q)
    found: ledger.Sub = ledger.filled(sub, market, word, -size_b, closing.got_q)
    found.quote_q += closing.loss_q - closing.fee_q
    found.risk = closing.risk
    log Liquidated(
        account=convert(convert(sub.key >> 8, uint160), address),
        sub=convert(sub.key & 255, uint8),
        market=convert(market, uint8),
        size_b=-size_b,
        price=leg.mark,
        notional_q=abs(closing.got_q),
        fee_q=closing.fee_q,
        loss_q=closing.loss_q,
    )
    return found, closing.fee_q - share_q


@internal
def _charge_pool(pool: uint256, leg: Leg, size_b: int256, closing: Closing, share_q: int256):
    """
    @notice The pool takes the lots over; its fund gets its part of the fee or pays the loss, as far as it reaches. The
            rest its liquidity goes without, or it is a debt that traders share.
    """
    paid_q: int256 = 0
    if closing.loss_q > 0:
        paid_q = min(closing.loss_q, ledger.fund_q(pool))
    unpaid_q: int256 = closing.loss_q - paid_q
    at: ledger.Sub = ledger.opened(ledger.pool_key(pool))
    at = ledger.filled(at, leg.market, leg.word, size_b, -closing.got_q)
    if terms.SOCIALIZES and unpaid_q > 0:
        ledger.debts[pool] += convert(unpaid_q, uint256)
    else:
        at.quote_q -= unpaid_q
    ledger.store(at)
    ledger.add_to_pool(pool, share_q - paid_q, 0, -1 if size_b == leg.held_b else 0, False)


@internal
@view
def _closing(total: ledger.Risk, leg: Leg, steps: int256) -> Closing:
    """
    @notice What closing so many steps of a position at the mark would bring and charge, and leave behind.
    """
    lots: int256 = min(steps * leg.step_b, abs(leg.held_b))
    size_b: int256 = lots if leg.held_b > 0 else -lots
    rest: ledger.Risk = ledger.leg_risk(leg.market, leg.word, leg.held_b - size_b)
    got_q: int256 = rules.value_down_q(size_b, leg.mark, leg.den)
    left_q: int256 = got_q - ledger.bankruptcy_q(total, leg.whole, rest)
    fee_q: int256 = rules.liquidation_fee_q(abs(got_q), terms.LIQUIDATION_FEE_PPM, left_q)
    loss_q: int256 = max(0, -left_q)
    after: ledger.Risk = ledger.moved_risk(total, leg.whole, rest, got_q - fee_q + loss_q)
    return Closing(size_b=size_b, got_q=got_q, fee_q=fee_q, loss_q=loss_q, risk=after)


@internal
@view
def _allowed(total: ledger.Risk, leg: Leg, wanted_b: int256) -> Closing:
    """
    @notice Closing the fewest lots that lift equity to the target, all of them where none do, at most those wanted.
    """
    high: int256 = words.div_up(abs(leg.held_b), leg.step_b)
    if wanted_b > 0:
        high = min(high, wanted_b // leg.step_b)
    most: Closing = self._closing(total, leg, high)
    if high == 1 or self._spare(most.risk) < 0:
        return most
    above: int256 = self._spare(self._closing(total, leg, high - 1).risk)
    if above < 0:
        return most
    # `low` steps are too few by `below`, `high` are enough by `above`. What is spare grows nearly in proportion to
    # the steps, so the next guess is where a line through both meets zero; every third is the middle, which bounds
    # the search.
    high -= 1
    low: int256 = 0
    below: int256 = self._spare(total)
    for i: uint256 in range(240):
        if high - low <= 1:
            break
        guess: int256 = low + (high - low) // 2
        if i % 3 != 2 and above > below:
            guess = min(max(low - (high - low) * below // (above - below), low + 1), high - 1)
        spare: int256 = self._spare(self._closing(total, leg, guess).risk)
        if spare < 0:
            low = guess
            below = spare
        else:
            high = guess
            above = spare
    return self._closing(total, leg, high)


@internal
@view
def _spare(risk: ledger.Risk) -> int256:
    """
    @notice Equity above the target, in millionths of atoms; negative where it falls short.
    """
    return risk.equity_q * words.PPM - risk.maintenance_q * terms.TARGET_PPM


@internal
def _reward(amount_q: int256):
    """
    @notice Credit a keeper's subaccount 0.
    """
    if amount_q == 0:
        return
    keeper: ledger.Sub = ledger.opened(ledger.key_of(msg.sender, 0))
    keeper.quote_q += amount_q
    ledger.store(keeper)


# -- debts ---------------------------------------------------------------------------------------------------------


@external
@nonreentrant
def sell_collateral(account: address, sub: uint8, asset: uint8):
    """
    @notice Buy collateral of a subaccount that owes quote, at the asset's discount: as much as the debt needs. With
            positions it must be liquidatable. The caller pays in quote, which it has approved.
    """
    access.may_liquidate()
    id: uint256 = convert(asset, uint256)
    assert id > 0 and id < markets.ASSETS and markets.asset_words[id] != 0, "ASSET_UNKNOWN"
    at: layout.Asset = layout.asset_of(markets.asset_words[id])
    owner: ledger.Sub = ledger.victim(account, sub)
    assert (owner.assets >> id) & 1 == 1, "BALANCE_TOO_SMALL"
    owner = ledger.measured(owner)
    assert owner.held == 0 or ledger.is_liquidatable(owner.risk), "NOT_LIQUIDATABLE"
    owed_q: int256 = ledger.assets_q(owner) - owner.risk.equity_q
    assert owed_q > 0, "NOTHING_OWED"
    num: int256 = at.price * (words.PPM - at.discount_ppm)
    den: int256 = at.den * words.PPM
    held: int256 = convert(ledger.balances[(owner.key << 8) | id], int256)
    amount: int256 = min(held, words.mul_div_up(owed_q, den, num)) if num > 0 else held
    paid_q: int256 = words.mul_div_down(amount, num, den)
    ledger.balances[(owner.key << 8) | id] = convert(held - amount, uint256)
    if amount == held:
        owner.assets &= ~(1 << id)
    owner.quote_q += paid_q
    ledger.store(owner)
    if paid_q > 0:
        vault.pull(markets.tokens[0], convert(paid_q, uint256))
    vault.push(markets.tokens[id], msg.sender, convert(amount, uint256))
    log CollateralSold(account=account, sub=sub, asset=asset, amount=amount, paid_q=paid_q)
