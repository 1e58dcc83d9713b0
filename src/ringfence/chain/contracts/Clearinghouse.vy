# pragma version ==0.4.3
"""
@title Clearinghouse
@license Apache-2.0
@notice Margin for perpetual futures: any partition of an account's positions into subaccounts, each judged alone by
        the engine's own rules. Isolated margin is a subaccount per position, cross margin is one for all of them.
@dev    What traders, liquidity providers and the feed call is in this contract. Everything else (liquidation,
        parameters, views) is in `Backoffice`, which runs on this contract's storage: whatever is not found here is
        passed on to it. Its address is fixed at deployment, and both are made of the same modules in the same
        order, so that their storage is the same.
"""
import access
import terms
import markets
import ledger
import orders
import vault
import pools
import custody
import trading

initializes: access
initializes: terms
initializes: markets[access := access, terms := terms]
initializes: ledger[markets := markets]
initializes: orders[ledger := ledger]
initializes: vault[terms := terms, markets := markets, ledger := ledger]
initializes: pools[access := access, markets := markets, ledger := ledger, vault := vault]
initializes: custody[markets := markets, ledger := ledger, vault := vault]
initializes: trading[terms := terms, markets := markets, ledger := ledger, orders := orders]

exports: markets.set_prices
exports: orders.__interface__
exports: custody.__interface__
exports: pools.__interface__
exports: trading.__interface__

interface Terms:
    def TERMS_HASH() -> bytes32: view


BACKOFFICE: public(immutable(address))


@deploy
def __init__(quote: address, feed: address, uptime: address, given: terms.Terms, backoffice: address):
    """
    @param quote The token in which every market settles, with 6 decimals.
    @param feed Who sets prices and funding.
    @param uptime The sequencer's uptime feed, or the zero address where there is none.
    @param given Fees, liquidation, withdrawals, funding and prices; see `terms`.
    @param backoffice The other part of the code, deployed with the same terms.
    """
    access.__init__(feed)
    terms.__init__(uptime, given)
    markets.__init__(quote)
    orders.__init__()
    assert staticcall Terms(backoffice).TERMS_HASH() == terms.TERMS_HASH, "PARAMETER_INVALID"
    BACKOFFICE = backoffice


@external
@raw_return
def __default__() -> Bytes[128]:
    """
    @notice Pass a call on to the other part of the code.
    """
    return raw_call(BACKOFFICE, msg.data, max_outsize=128, is_delegate_call=True)
