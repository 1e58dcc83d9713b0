# pragma version ==0.4.3
"""
@title Deleveraging
@license Apache-2.0
@notice Against a subaccount without equity winners may be closed at its bankruptcy price, so that nobody pays for its
        loss but those who won from it.
"""
import words
import margin_rules as rules
import layout
import access
import terms
import markets
import ledger

uses: access
uses: terms
uses: markets
uses: ledger


event Deleveraged:
    account: indexed(address)
    sub: uint8
    market: uint8
    size_b: int256
    loss_q: int256
    winners: uint256


SCORE_UNIT: constant(int256) = 2**64


@external
@nonreentrant
def deleverage(account: address, sub: uint8, market: uint8, winners: DynArray[uint256, 32]):
    """
    @notice Close a position of a subaccount without equity against winners, at its bankruptcy price.
    @dev    Every winner listed must be on the other side, in profit and solvent, and none may rank above the one
            before it (profit times leverage). One whose own bankruptcy price does not overlap is passed over.
    @param winners Keys of subaccounts, the highest score first.
    """
    access.may_liquidate()
    id: uint256 = convert(market, uint256)
    assert id < markets.MARKETS, "MARKET_UNKNOWN"
    assert not terms.SOCIALIZES, "NOT_OFFERED"
    word: uint256 = markets.market_word(id)
    loser: ledger.Sub = ledger.victim(account, sub)
    assert (loser.held >> id) & 1 == 1, "POSITION_UNKNOWN"
    loser = ledger.settled(loser)
    assert loser.risk.equity_q <= 0, "NOT_INSOLVENT"
    held_b: int256 = ledger.size_of(loser.key, id)
    left_b: int256 = held_b
    loss_q: int256 = 0
    hit: uint256 = 0
    closed: int256 = 0  # positions
    best: int256 = max_value(int256)
    for key: uint256 in winners:
        if left_b == 0:
            break
        winner: ledger.Sub = ledger.measured(ledger.opened(key))
        score: int256 = self._score(winner, id, word, left_b)
        assert score <= best, "OUT_OF_ORDER"
        best = score
        closed_b: int256 = self._overlap_b(winner, id, left_b)
        rest: ledger.Risk = ledger.leg_risk(id, word, left_b - closed_b)
        whole: ledger.Risk = ledger.leg_risk(id, word, left_b)
        got_q: int256 = ledger.bankruptcy_q(loser.risk, whole, rest)
        if -got_q < self._winner_bankruptcy_q(winner, id, word, closed_b):
            continue
        held: uint256 = winner.held
        winner = ledger.filled(ledger.settled(winner), id, word, closed_b, -got_q)
        ledger.store(winner)
        closed -= ledger.more_held(held, winner.held)
        loser = ledger.filled(loser, id, word, -closed_b, got_q)
        loser.risk = ledger.moved_risk(loser.risk, whole, rest, got_q)
        loss_q += got_q - rules.value_down_q(closed_b, layout.mark_of(word), layout.den_of(word))
        left_b -= closed_b
        hit += 1
    assert hit > 0, "NO_COUNTERPARTY"
    if left_b == 0:
        closed += 1
    ledger.store(loser)
    ledger.add_to_pool(layout.pool_of(word), 0, 0, -closed, False)
    log Deleveraged(account=account, sub=sub, market=market, size_b=abs(held_b - left_b), loss_q=loss_q, winners=hit)


@internal
@view
def _score(winner: ledger.Sub, market: uint256, word: uint256, losing_b: int256) -> int256:
    """
    @notice Return on cost times leverage of a position that may be closed against the loser's; reverts for any
            other.
    """
    assert winner.key >> 8 != convert(self, uint256), "SYSTEM_SUBACCOUNT"
    held: layout.Position = layout.position_of(ledger.positions[(winner.key << 8) | market])
    assert held.size_b != 0 and (held.size_b > 0) != (losing_b > 0), "NO_COUNTERPARTY"
    worth_q: int256 = ledger.leg_risk(market, word, held.size_b).equity_q
    assert worth_q > held.cost_q and winner.risk.equity_q > 0, "NO_COUNTERPARTY"
    return words.mul_div_down(
        (worth_q - held.cost_q) * abs(worth_q), SCORE_UNIT, max(1, abs(held.cost_q)) * winner.risk.equity_q
    )


@internal
@view
def _overlap_b(winner: ledger.Sub, market: uint256, losing_b: int256) -> int256:
    """
    @notice Lots, signed as the loser's, that two opposite positions have in common.
    """
    lots: int256 = min(abs(losing_b), abs(ledger.size_of(winner.key, market)))
    return lots if losing_b > 0 else -lots


@internal
@view
def _winner_bankruptcy_q(winner: ledger.Sub, market: uint256, word: uint256, closed_b: int256) -> int256:
    """
    @notice Quote that a winner must receive for its part not to lose its share of equity.
    """
    held_b: int256 = ledger.size_of(winner.key, market)
    return ledger.bankruptcy_q(
        winner.risk, ledger.leg_risk(market, word, held_b), ledger.leg_risk(market, word, held_b + closed_b)
    )
