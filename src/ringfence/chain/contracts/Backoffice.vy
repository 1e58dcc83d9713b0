# pragma version ==0.4.3
"""
@title Backoffice
@license Apache-2.0
@notice The part of the clearinghouse that keepers and the owner call, and what can be read of it. It runs on the
        clearinghouse's storage and holds nothing itself; called directly it finds an empty venue.
"""
import access
import terms
import markets
import ledger
import orders
import vault
import pools
import parameters
import liquidation
import views

initializes: access
initializes: terms
initializes: markets[access := access, terms := terms]
initializes: ledger[markets := markets]
initializes: orders[ledger := ledger]
initializes: vault[terms := terms, markets := markets, ledger := ledger]
initializes: pools[access := access, markets := markets, ledger := ledger, vault := vault]
initializes: parameters[access := access, markets := markets, ledger := ledger]
initializes: liquidation[access := access, terms := terms, markets := markets, ledger := ledger]
initializes: views[ledger := ledger]

exports: access.__interface__
exports: terms.TERMS_HASH
exports: (markets.market_words, markets.tables, markets.asset_words, markets.tokens, markets.accrue_funding)
exports: parameters.__interface__
exports: liquidation.__interface__
exports: ledger.debts
exports: views.__interface__


interface Terms:
    def TERMS_HASH() -> bytes32: view


RESOLUTION: public(immutable(address))


@deploy
def __init__(uptime: address, given: terms.Terms, resolution: address):
    """
    @param uptime As the clearinghouse's.
    @param given As the clearinghouse's.
    @param resolution The part that deals with losses, deployed with the same terms.
    """
    access.__init__(empty(address))
    terms.__init__(uptime, given)
    markets.__init__(self)
    orders.__init__()
    assert staticcall Terms(resolution).TERMS_HASH() == terms.TERMS_HASH, "PARAMETER_INVALID"
    RESOLUTION = resolution


@external
@raw_return
def __default__() -> Bytes[128]:
    """
    @notice Pass a call on to the part that deals with losses.
    """
    return raw_call(RESOLUTION, msg.data, max_outsize=128, is_delegate_call=True)
