# pragma version ==0.4.3
"""
@title Resolution
@license Apache-2.0
@notice The part of the clearinghouse that deals with losses: winners are deleveraged, or traders share what is left. It
        runs on the clearinghouse's storage, as `Backoffice` does, which passes on to it what it does not know.
"""
import access
import terms
import markets
import ledger
import orders
import vault
import pools
import deleveraging
import socialization

initializes: access
initializes: terms
initializes: markets[access := access, terms := terms]
initializes: ledger[markets := markets]
initializes: orders[ledger := ledger]
initializes: vault[terms := terms, markets := markets, ledger := ledger]
initializes: pools[access := access, markets := markets, ledger := ledger, vault := vault]
initializes: deleveraging[access := access, terms := terms, markets := markets, ledger := ledger]
initializes: socialization[access := access, terms := terms, markets := markets, ledger := ledger]

exports: terms.TERMS_HASH
exports: deleveraging.__interface__
exports: socialization.__interface__


@deploy
def __init__(uptime: address, given: terms.Terms):
    """
    @param uptime As the clearinghouse's.
    @param given As the clearinghouse's.
    """
    access.__init__(empty(address))
    terms.__init__(uptime, given)
    markets.__init__(self)
    orders.__init__()
