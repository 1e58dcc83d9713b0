# pragma version ==0.4.3
"""
@title Collateral pools
@license Apache-2.0
@notice A pool's liquidity, insurance fund and fees. Liquidity moves through the contract of its shares alone, and
        what leaves it is judged as a trader's withdrawal is.
"""
import access
import markets
import ledger
import vault

uses: access
uses: markets
uses: ledger
uses: vault


event InsuranceFunded:
    pool: indexed(uint8)
    amount: uint256

event FeesCollected:
    pool: indexed(uint8)
    amount: uint256

event PoolOpened:
    pool: indexed(uint8)
    shares: address

event PoolChanged:
    pool: indexed(uint8)
    amount: int256


shares: public(address[16])


@external
@nonreentrant
def fund_insurance(pool: uint8, amount: uint256):
    """
    @notice Bring quote into a pool's insurance fund.
    """
    assert pool < 16, "POOL_UNKNOWN"
    ledger.add_to_pool(convert(pool, uint256), vault.checked(0, amount), 0, 0, False)
    vault.pull(markets.tokens[0], amount)
    log InsuranceFunded(pool=pool, amount=amount)


@external
@nonreentrant
def collect_fees(pool: uint8, receiver: address):
    """
    @notice Pay out the trading fees of a pool.
    """
    access.only_owner()
    amount: uint256 = ledger.fees_of(convert(pool, uint256))
    ledger.add_to_pool(convert(pool, uint256), 0, -convert(amount, int256), 0, False)
    vault.push(markets.tokens[0], receiver, amount)
    log FeesCollected(pool=pool, amount=amount)


@external
def open_pool(pool: uint8, shares: address):
    """
    @notice Name the contract whose shares stand for a pool's liquidity; once.
    """
    access.only_owner()
    assert pool < 16, "POOL_UNKNOWN"
    assert self.shares[pool] == empty(address) and shares != empty(address), "PARAMETER_INVALID"
    self.shares[pool] = shares
    log PoolOpened(pool=pool, shares=shares)


@external
@nonreentrant
def pool_deposit(pool: uint8, amount: uint256):
    """
    @notice Bring quote into a pool's liquidity; its shares' contract alone.
    """
    assert msg.sender == self.shares[pool], "NOT_POOL"
    at: ledger.Sub = ledger.opened(ledger.pool_key(convert(pool, uint256)))
    at.quote_q += vault.checked(0, amount)
    ledger.store(at)
    vault.pull(markets.tokens[0], amount)
    log PoolChanged(pool=pool, amount=convert(amount, int256))


@external
@nonreentrant
def pool_withdraw(pool: uint8, amount: uint256, receiver: address):
    """
    @notice Take quote out of a pool's liquidity; what stays covers the initial margin of what the pool holds.
    """
    assert msg.sender == self.shares[pool], "NOT_POOL"
    at: ledger.Sub = ledger.opened(ledger.pool_key(convert(pool, uint256)))
    ledger.store(vault.taken_out(at, 0, vault.checked(0, amount)))
    vault.push(markets.tokens[0], receiver, amount)
    log PoolChanged(pool=pool, amount=-convert(amount, int256))
