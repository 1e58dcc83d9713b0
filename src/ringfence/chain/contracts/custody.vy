# pragma version ==0.4.3
"""
@title Collateral in and out
@license Apache-2.0
@notice Deposits, withdrawals and transfers between subaccounts of one account. A flat subaccount that owes nothing
        leaves without a price, and the switch is never read: whatever happens, people can leave.
"""
import markets
import ledger
import vault

uses: markets
uses: ledger
uses: vault


event Deposited:
    account: indexed(address)
    sub: uint8
    asset: uint8
    amount: uint256

event Withdrawn:
    account: indexed(address)
    sub: uint8
    asset: uint8
    amount: uint256

event MarginTransferred:
    account: indexed(address)
    source: uint8
    target: uint8
    asset: uint8
    amount: uint256


@external
@nonreentrant
def deposit(sub: uint8, asset: uint8, amount: uint256):
    """
    @notice Bring collateral into the caller's subaccount; the caller has approved it.
    """
    at: ledger.Sub = ledger.opened(ledger.key_of(msg.sender, convert(sub, uint256)))
    ledger.store(vault.changed(at, convert(asset, uint256), vault.checked(asset, amount)))
    vault.pull(markets.tokens[asset], amount)
    log Deposited(account=msg.sender, sub=sub, asset=asset, amount=amount)


@external
@nonreentrant
def withdraw(sub: uint8, asset: uint8, amount: uint256):
    """
    @notice Take collateral out to the caller; initial margin, or the venue's floor, stays.
    """
    at: ledger.Sub = ledger.opened(ledger.key_of(msg.sender, convert(sub, uint256)))
    ledger.store(vault.taken_out(at, convert(asset, uint256), vault.checked(asset, amount)))
    vault.push(markets.tokens[asset], msg.sender, amount)
    log Withdrawn(account=msg.sender, sub=sub, asset=asset, amount=amount)


@external
@nonreentrant
def transfer_margin(source: uint8, target: uint8, asset: uint8, amount: uint256):
    """
    @notice Move collateral between two of the caller's subaccounts. The source is judged as in a withdrawal; the
            target only gains and cannot fail.
    """
    checked: int256 = vault.checked(asset, amount)
    assert source != target, "SUBACCOUNTS_MUST_DIFFER"
    giver: ledger.Sub = ledger.opened(ledger.key_of(msg.sender, convert(source, uint256)))
    taker: ledger.Sub = ledger.opened(ledger.key_of(msg.sender, convert(target, uint256)))
    ledger.store(vault.taken_out(giver, convert(asset, uint256), checked))
    ledger.store(vault.changed(taker, convert(asset, uint256), checked))
    log MarginTransferred(account=msg.sender, source=source, target=target, asset=asset, amount=amount)
