# pragma version ==0.4.3
"""
@title What holds the tokens
@license Apache-2.0
@notice Collateral of a subaccount goes up and down here, and tokens move. What leaves is judged by what it leaves
        behind.
"""
from ethereum.ercs import IERC20

import words
import margin_rules as rules
import terms
import markets
import ledger

uses: terms
uses: markets
uses: ledger


AMOUNT_LIMIT: constant(uint256) = 2**95


@internal
@view
def checked(asset: uint8, amount: uint256) -> int256:
    """
    @notice An amount of a listed asset, as a number that the rules take.
    """
    assert amount > 0, "AMOUNT_NOT_POSITIVE"
    assert amount < AMOUNT_LIMIT, "AMOUNT_TOO_LARGE"
    assert asset < 16 and markets.tokens[asset] != empty(address), "ASSET_UNKNOWN"
    return convert(amount, int256)


@internal
def changed(sub: ledger.Sub, asset: uint256, amount: int256) -> ledger.Sub:
    """
    @notice The subaccount with so much more (negative: less) of an asset.
    """
    found: ledger.Sub = sub
    if asset == 0:
        found.quote_q += amount
        return found
    at: uint256 = (sub.key << 8) | asset
    left: int256 = convert(ledger.balances[at], int256) + amount
    assert left >= 0, "BALANCE_TOO_SMALL"
    ledger.balances[at] = convert(left, uint256)
    found.assets = (found.assets | (1 << asset)) if left != 0 else (found.assets & ~(1 << asset))
    return found


@internal
def taken_out(sub: ledger.Sub, asset: uint256, amount: int256) -> ledger.Sub:
    """
    @notice The subaccount after collateral left it; reverts where it does not keep what a withdrawal asks.
    """
    found: ledger.Sub = self.changed(sub, asset, -amount)
    if found.held == 0 and found.quote_q >= 0:
        return found
    found = ledger.settled(found)
    risk: ledger.Risk = found.risk
    keep_q: int256 = rules.withdrawal_q(risk.initial_q, risk.notional_q, terms.WITHDRAWAL_FLOOR_PPM, words.CEIL)
    assert risk.equity_q >= keep_q and not ledger.is_liquidatable(risk), "INITIAL_MARGIN"
    return found


@internal
def pull(token: address, amount: uint256):
    """
    @notice Take tokens from the caller.
    """
    assert extcall IERC20(token).transferFrom(msg.sender, self, amount, default_return_value=True), "TRANSFER_FAILED"


@internal
def push(token: address, to: address, amount: uint256):
    """
    @notice Give tokens away.
    """
    assert extcall IERC20(token).transfer(to, amount, default_return_value=True), "TRANSFER_FAILED"
