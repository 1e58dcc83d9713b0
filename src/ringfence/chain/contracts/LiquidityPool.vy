# pragma version ==0.4.3
"""
@title LiquidityPool
@license Apache-2.0
@notice Shares of a collateral pool's liquidity, as ERC-4626 has it. The liquidity itself is a subaccount of the
        clearinghouse: it takes the other side of trades with the pool and bears losses beyond the insurance fund,
        so that a loss is spread over all shares.
@dev    A million virtual shares and one virtual atom stand beside the real ones, so that the first depositor cannot
        make a share so dear that the next one's deposit rounds to nothing. Every division favours those who stay.
"""
from ethereum.ercs import IERC20
from ethereum.ercs import IERC4626

import IClearinghouse

implements: IERC20
implements: IERC4626


event Transfer:
    sender: indexed(address)
    receiver: indexed(address)
    value: uint256

event Approval:
    owner: indexed(address)
    spender: indexed(address)
    value: uint256

event Deposit:
    sender: indexed(address)
    owner: indexed(address)
    assets: uint256
    shares: uint256

event Withdraw:
    sender: indexed(address)
    receiver: indexed(address)
    owner: indexed(address)
    assets: uint256
    shares: uint256


VIRTUAL_SHARES: constant(uint256) = 10**6

name: public(constant(String[32])) = "Ringfence liquidity"
symbol: public(constant(String[8])) = "RFL"
decimals: public(constant(uint8)) = 12

asset: public(immutable(address))
CLEARINGHOUSE: public(immutable(address))
POOL: public(immutable(uint8))

totalSupply: public(uint256)
balanceOf: public(HashMap[address, uint256])
allowance: public(HashMap[address, HashMap[address, uint256]])


@deploy
def __init__(quote: address, clearinghouse: address, pool: uint8):
    """
    @param quote The token of the clearinghouse's quote asset.
    @param clearinghouse Where the liquidity lies.
    @param pool Number of the collateral pool.
    """
    asset = quote
    CLEARINGHOUSE = clearinghouse
    POOL = pool
    extcall IERC20(quote).approve(clearinghouse, max_value(uint256), default_return_value=True)


# -- shares --------------------------------------------------------------------------------------------------------


@external
def approve(spender: address, amount: uint256) -> bool:
    """
    @notice Let `spender` move the caller's shares.
    """
    self.allowance[msg.sender][spender] = amount
    log Approval(owner=msg.sender, spender=spender, value=amount)
    return True


@external
def transfer(to: address, amount: uint256) -> bool:
    """
    @notice Move the caller's shares.
    """
    self._move(msg.sender, to, amount)
    return True


@external
def transferFrom(sender: address, to: address, amount: uint256) -> bool:
    """
    @notice Move another's shares within the allowance.
    """
    self._spend(sender, amount)
    self._move(sender, to, amount)
    return True


# -- worth ---------------------------------------------------------------------------------------------------------


@external
@view
def totalAssets() -> uint256:
    """
    @notice What the liquidity is worth at the present marks; nothing where it owes.
    """
    return self._total()


@external
@view
def convertToShares(assets: uint256) -> uint256:
    """
    @notice Shares that so much quote is worth, rounded down.
    """
    return self._shares(assets, False)


@external
@view
def convertToAssets(shares: uint256) -> uint256:
    """
    @notice Quote that so many shares are worth, rounded down.
    """
    return self._assets(shares, False)


@external
@view
def maxDeposit(owner: address) -> uint256:
    """
    @notice Most that may be brought in; nothing while the pool owes.
    """
    return self._room()


@external
@view
def previewDeposit(assets: uint256) -> uint256:
    """
    @notice Shares that a deposit gives.
    """
    return self._shares(assets, False)


@external
@view
def maxMint(owner: address) -> uint256:
    """
    @notice Most shares that may be made.
    """
    return self._shares(self._room(), False)


@external
@view
def previewMint(shares: uint256) -> uint256:
    """
    @notice Quote that shares cost.
    """
    return self._assets(shares, True)


@external
@view
def maxWithdraw(owner: address) -> uint256:
    """
    @notice Most that may be taken out: what the shares are worth, as far as the pool's positions leave it free.
    """
    return min(self._assets(self.balanceOf[owner], False), self._free())


@external
@view
def previewWithdraw(assets: uint256) -> uint256:
    """
    @notice Shares that so much quote costs.
    """
    return self._shares(assets, True)


@external
@view
def maxRedeem(owner: address) -> uint256:
    """
    @notice Most shares that may be given back.
    """
    return min(self.balanceOf[owner], self._shares(self._free(), False))


@external
@view
def previewRedeem(shares: uint256) -> uint256:
    """
    @notice Quote that shares bring.
    """
    return self._assets(shares, False)


# -- in and out ----------------------------------------------------------------------------------------------------


@external
@nonreentrant
def deposit(assets: uint256, receiver: address = msg.sender) -> uint256:
    """
    @notice Bring quote in for shares.
    """
    shares: uint256 = self._shares(assets, False)
    self._enter(assets, shares, receiver)
    return shares


@external
@nonreentrant
def mint(shares: uint256, receiver: address = msg.sender) -> uint256:
    """
    @notice Bring in what so many shares cost.
    """
    assets: uint256 = self._assets(shares, True)
    self._enter(assets, shares, receiver)
    return assets


@external
@nonreentrant
def withdraw(assets: uint256, receiver: address = msg.sender, owner: address = msg.sender) -> uint256:
    """
    @notice Take quote out for shares of `owner`.
    """
    shares: uint256 = self._shares(assets, True)
    self._leave(assets, shares, receiver, owner)
    return shares


@external
@nonreentrant
def redeem(shares: uint256, receiver: address = msg.sender, owner: address = msg.sender) -> uint256:
    """
    @notice Give shares of `owner` back for quote.
    """
    assets: uint256 = self._assets(shares, False)
    self._leave(assets, shares, receiver, owner)
    return assets


@internal
def _enter(assets: uint256, shares: uint256, receiver: address):
    assert assets > 0 and shares > 0, "AMOUNT_NOT_POSITIVE"
    assert assets <= self._room(), "BACKSTOP_CAPACITY"
    assert extcall IERC20(asset).transferFrom(msg.sender, self, assets, default_return_value=True), "TRANSFER_FAILED"
    extcall IClearinghouse(CLEARINGHOUSE).pool_deposit(POOL, assets)
    self.totalSupply += shares
    self.balanceOf[receiver] += shares
    log Transfer(sender=empty(address), receiver=receiver, value=shares)
    log Deposit(sender=msg.sender, owner=receiver, assets=assets, shares=shares)


@internal
def _leave(assets: uint256, shares: uint256, receiver: address, owner: address):
    assert assets > 0, "AMOUNT_NOT_POSITIVE"
    if msg.sender != owner:
        self._spend(owner, shares)
    self.balanceOf[owner] -= shares
    self.totalSupply -= shares
    extcall IClearinghouse(CLEARINGHOUSE).pool_withdraw(POOL, assets, receiver)
    log Transfer(sender=owner, receiver=empty(address), value=shares)
    log Withdraw(sender=msg.sender, receiver=receiver, owner=owner, assets=assets, shares=shares)


@internal
@view
def _total() -> uint256:
    return convert(max(0, staticcall IClearinghouse(CLEARINGHOUSE).pool_equity(POOL)), uint256)


@internal
@view
def _room() -> uint256:
    """
    @notice Most quote that may be brought in: what the clearinghouse takes at once, nothing while the pool owes.
    """
    return 2**95 - 1 if staticcall IClearinghouse(CLEARINGHOUSE).pool_equity(POOL) >= 0 else 0


@internal
@view
def _free() -> uint256:
    """
    @notice What the pool's liquidity has above the initial margin of its positions.
    """
    risk: IClearinghouse.Risk = staticcall IClearinghouse(CLEARINGHOUSE).risk_of(CLEARINGHOUSE, POOL)
    return convert(max(0, risk.equity_q - risk.initial_q), uint256)


@internal
@view
def _shares(assets: uint256, up: bool) -> uint256:
    return self._share(assets, self.totalSupply + VIRTUAL_SHARES, self._total() + 1, up)


@internal
@view
def _assets(shares: uint256, up: bool) -> uint256:
    return self._share(shares, self._total() + 1, self.totalSupply + VIRTUAL_SHARES, up)


@internal
@pure
def _share(amount: uint256, num: uint256, den: uint256, up: bool) -> uint256:
    """
    @notice `amount * num / den` in either direction.
    """
    product: uint256 = amount * num
    return (product + den - 1) // den if up else product // den


@internal
def _spend(owner: address, amount: uint256):
    allowed: uint256 = self.allowance[owner][msg.sender]
    if allowed != max_value(uint256):
        self.allowance[owner][msg.sender] = allowed - amount


@internal
def _move(sender: address, to: address, amount: uint256):
    self.balanceOf[sender] -= amount
    self.balanceOf[to] += amount
    log Transfer(sender=sender, receiver=to, value=amount)
