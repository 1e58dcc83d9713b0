"""The published liquidation price is the trigger: at it the subaccount is liquidatable, one price quantum before, not.

Random accounts on every rulebook, in every mode and on both sides; the book is put again at the price it published.
"""

from decimal import Decimal

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ringfence.books import Account, BookPosition
from ringfence.errors import UnknownValueError
from ringfence.questions.margin import margin
from ringfence.venues.rulebook import list_rulebooks, load

RULEBOOKS = [load(info.venue, info.version) for info in list_rulebooks()]


def offered(rulebook, symbol):
    """Our names of the margin modes that a market has."""
    modes = rulebook.modes()
    return sorted({"cross" if modes[name].shared else "isolated" for name in rulebook.market_modes(symbol)})


def is_known(rulebook, symbol):
    """Whether all that margin needs is known of a market."""
    try:
        rulebook.market(symbol)
    except UnknownValueError:
        return False
    return True


OFFERED = {
    rulebook.name: {
        symbol: offered(rulebook, symbol) for symbol in rulebook.symbols if is_known(rulebook, symbol)
    }
    for rulebook in RULEBOOKS
}
JUDGED = [rulebook for rulebook in RULEBOOKS if OFFERED[rulebook.name]]


@st.composite
def positions(draw, rulebook, symbol, mark, mode):
    market = rulebook.market(symbol)
    worth = 10 ** draw(st.integers(0, 9)) * draw(st.integers(1, 99))
    finer = draw(st.sampled_from([0, 0, 2]))
    decimals = market.base_decimals + finer
    atoms = max(1, int((worth / mark).scaleb(decimals)))
    assume(atoms < 2**80)
    margin_share = draw(st.decimals("-0.05", "0.5", places=4))
    return BookPosition(
        symbol=symbol,
        size=Decimal(atoms if draw(st.booleans()) else -atoms).scaleb(-decimals),
        entry_price=mark * draw(st.decimals("0.8", "1.2", places=3)),
        mark_price=mark,
        mode=mode,
        leverage=draw(st.none() | st.integers(1, 60).map(Decimal)),
        collateral=worth * margin_share if mode == "isolated" else None,
    )


@st.composite
def books(draw):
    """A rulebook and an account that its venue can hold, near enough to liquidation to have a price of it."""
    rulebook = draw(st.sampled_from(JUDGED))
    symbols = draw(
        st.lists(st.sampled_from(sorted(OFFERED[rulebook.name])), min_size=1, max_size=4, unique=True)
    )
    held, pools = [], set()
    for symbol in symbols:
        quantum = Decimal(1).scaleb(
            -rulebook.market(symbol).price_decimals - draw(st.sampled_from([0, 0, 3]))
        )
        mark = quantum * draw(st.integers(1, 99_999)) * 10 ** draw(st.integers(0, 6))
        modes = draw(st.sets(st.sampled_from(OFFERED[rulebook.name][symbol]), min_size=1))
        if "cross" in modes:
            pools.add(rulebook.market(symbol).pool)
        held += [draw(positions(rulebook, symbol, mark, mode)) for mode in sorted(modes)]
    assume(len(pools) <= 1 or not rulebook.margin_policy().exclusive_pools)
    gross = sum(abs(each.size) * each.mark_price for each in held if each.mode == "cross")
    share = draw(st.decimals("-0.1", "1.1", places=4))
    return rulebook, Account("a", {"USDC": gross * share}, tuple(held))


def liquidatable_at(rulebook, account, subaccount, symbol, price):
    (result,) = margin([account], rulebook, {symbol: price})
    (part,) = (part for part in result.subaccounts if part.subaccount == subaccount)
    return part["liquidatable"].value


@pytest.mark.fuzz
@given(books())
def test_the_liquidation_price_is_the_trigger(book):
    rulebook, account = book
    (result,) = margin([account], rulebook)
    for part in result.subaccounts:
        liquidatable = part["liquidatable"].value
        for position in part.positions:
            published = position["liquidationPrice"].value
            if published is None:
                continue
            price, quantum = Decimal(published), Decimal(position.stated["priceQuantum"])
            mark = Decimal(position.stated["markPrice"])
            # Coming from the safe side: from the mark, or towards it where the mark itself is on the wrong side.
            towards_safety = quantum if (mark > price) != liquidatable else -quantum
            where = (rulebook, account, part.subaccount, position.symbol)
            assert liquidatable_at(*where, price) is True
            if price != mark:
                assert liquidatable_at(*where, price + towards_safety) is False
            else:
                assert not all(
                    liquidatable_at(*where, near) for near in (price - quantum, price + quantum) if near > 0
                )


@pytest.mark.fuzz
@given(books())
def test_no_liquidation_price_means_none(book):
    """Where there is no price, none of a wide range around the mark changes whether it is liquidatable."""
    rulebook, account = book
    (result,) = margin([account], rulebook)
    for part in result.subaccounts:
        for position in part.positions:
            if position["liquidationPrice"].value is not None:
                continue
            mark, quantum = Decimal(position.stated["markPrice"]), Decimal(position.stated["priceQuantum"])
            for factor in ("0.0001", "0.1", "0.5", "0.9", "1.1", "2", "10", "1000"):
                price = max(quantum, (mark * Decimal(factor)).quantize(quantum))
                found = liquidatable_at(rulebook, account, part.subaccount, position.symbol, price)
                assert found is part["liquidatable"].value


@pytest.mark.fuzz
@given(books())
def test_what_may_leave_leaves_initial_margin_and_an_atom_more_does_not(book):
    rulebook, account = book
    (result,) = margin([account], rulebook)
    part = result.subaccounts[0]
    if part.mode != "cross":
        return
    most = Decimal(part["maxWithdrawal"].value)
    if most:
        held = {"USDC": account.collateral["USDC"] - most}
        (after,) = margin([Account("a", held, account.positions)], rulebook)
        kept = after.subaccounts[0] if held["USDC"] or part.positions else None
        if kept is not None:
            assert Decimal(kept["freeCollateral"].value) >= 0
            assert Decimal(kept["maxWithdrawal"].value) == 0
