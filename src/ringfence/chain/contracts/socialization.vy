# pragma version ==0.4.3
"""
@title Socialized loss
@license Apache-2.0
@notice What a pool's insurance fund could not pay of a loss stands as its debt. It is shared by everybody who holds a
        position in the pool's markets, in proportion to equity, to the atom; nobody pays more than that.
@dev    The keeper lists who pays and the contract checks that nobody is missing: a pool counts the positions in its
        markets, and those of the listed must be all of them.
"""
import access
import terms
import markets
import ledger

uses: access
uses: terms
uses: markets
uses: ledger


event LossSocialized:
    pool: indexed(uint8)
    amount: int256
    insured_q: int256


KEY: constant(uint256) = 2**168 - 1
PLACES: constant(uint256) = 2**16


@external
@nonreentrant
def socialize(pool: uint8, payers: DynArray[uint256, 1024]):
    """
    @notice Pay a pool's debt: by its insurance fund as far as that reaches, the rest by traders.
    @dev    Shares are rounded down, and the atoms that this leaves go one by one to the largest remainders, the
            lowest key first among equals.
    @param payers Keys of all subaccounts with positions in the pool's markets, rising; bit 255 is set where one pays
           an odd atom.
    """
    access.may_liquidate()
    assert pool < 16, "POOL_UNKNOWN"
    assert terms.SOCIALIZES, "NOT_OFFERED"
    id: uint256 = convert(pool, uint256)
    owed_q: int256 = convert(ledger.debts[id], int256)
    insured_q: int256 = min(owed_q, ledger.fund_q(id))
    ledger.add_to_pool(id, -insured_q, 0, 0, False)
    owed_q -= insured_q
    amount_q: int256 = 0
    if owed_q > 0 or insured_q == 0:
        total_q: int256 = 0
        positions: uint256 = 0
        last: uint256 = 0
        for payer: uint256 in payers:
            at: ledger.Sub = self._payer(payer)
            assert at.key > last, "OUT_OF_ORDER"
            last = at.key
            positions += self._positions(at.held & markets.members[id])
            total_q += max(0, at.risk.equity_q)
        assert positions == ledger.positions_of(id), "PAYER_MISSING"
        assert total_q > 0 or insured_q > 0, "NO_COUNTERPARTY"
        assert owed_q > 0, "NOTHING_OWED"
        amount_q = min(owed_q, total_q)
        left_q: int256 = amount_q
        place: uint256 = PLACES
        least: uint256 = max_value(uint256)  # rank of the last who pays an odd atom
        most: uint256 = 0  # rank of the first who does not
        for payer: uint256 in payers:
            at: ledger.Sub = self._payer(payer)
            place -= 1
            if at.risk.equity_q <= 0:
                continue
            share_q: int256 = amount_q * at.risk.equity_q // total_q
            rank: uint256 = convert(amount_q * at.risk.equity_q % total_q, uint256) * PLACES + place
            if payer >> 255 == 1:
                share_q += 1
                least = min(least, rank)
            else:
                most = max(most, rank)
            at.quote_q -= share_q
            left_q -= share_q
            ledger.store(at)
        assert left_q == 0 and least > most, "OUT_OF_ORDER"
    ledger.debts[id] = convert(owed_q - amount_q, uint256)
    log LossSocialized(pool=pool, amount=amount_q, insured_q=insured_q)


@internal
@view
def _payer(payer: uint256) -> ledger.Sub:
    """
    @notice A listed trader's subaccount, measured.
    """
    at: ledger.Sub = ledger.opened(payer & KEY)
    assert at.key >> 8 != convert(self, uint256), "SYSTEM_SUBACCOUNT"
    return ledger.measured(at)


@internal
@pure
def _positions(held: uint256) -> uint256:
    """
    @notice How many positions a bitmap names; reverts where there are none.
    """
    assert held != 0, "POSITION_UNKNOWN"
    count: uint256 = 0
    rest: uint256 = held
    for i: uint256 in range(markets.MARKETS):
        if rest == 0:
            break
        rest &= rest - 1
        count += 1
    return count
