# pragma version ==0.4.3
"""
@title What can be read
@license Apache-2.0
"""
import ledger

uses: ledger


@external
@view
def head_of(account: address, sub: uint8) -> (int256, uint256, uint256):
    """
    @notice Quote balance, held markets and held collateral assets of a subaccount.
    """
    at: ledger.Sub = ledger.opened(ledger.key_of(account, convert(sub, uint256)))
    return at.quote_q, at.held, at.assets


@external
@view
def position_of(account: address, sub: uint8, market: uint8) -> uint256:
    """
    @notice The word of a position.
    """
    return ledger.positions[(ledger.key_of(account, convert(sub, uint256)) << 8) | convert(market, uint256)]


@external
@view
def balance_of(account: address, sub: uint8, asset: uint8) -> uint256:
    """
    @notice Atoms of a collateral asset.
    """
    return ledger.balances[(ledger.key_of(account, convert(sub, uint256)) << 8) | convert(asset, uint256)]


@external
@view
def risk_of(account: address, sub: uint8) -> ledger.Risk:
    """
    @notice Equity, initial and maintenance margin and notional of a subaccount at the present marks.
    """
    return ledger.measured(ledger.opened(ledger.key_of(account, convert(sub, uint256)))).risk


@external
@view
def pool_of(pool: uint8) -> (uint256, uint256):
    """
    @notice A pool's insurance fund and fees.
    """
    id: uint256 = convert(pool, uint256)
    return convert(ledger.fund_q(id), uint256), ledger.fees_of(id)


@external
@view
def pool_equity(pool: uint8) -> int256:
    """
    @notice What a pool's liquidity is worth at the present marks.
    """
    return ledger.measured(ledger.opened(ledger.pool_key(convert(pool, uint256)))).risk.equity_q
