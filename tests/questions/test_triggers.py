"""The published liquidation price is the trigger: at it the subaccount is liquidatable, one price quantum before, not.

Random accounts on every rulebook, in every mode and on both sides; the book is put again at the price it published.
"""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given

from questions.holdings import books, moved
from ringfence.questions.margin import margin


def verdicts(rulebook, account, part, position):
    """Whether the part is liquidatable at a price of the position's market, the book put again at that price."""
    mark = Decimal(position.stated["markPrice"])

    def liquidatable_at(price):
        prices = moved(rulebook, account, position.symbol, mark, price)
        (result,) = margin([account], rulebook, prices)
        (again,) = (each for each in result.subaccounts if each.subaccount == part.subaccount)
        return again["liquidatable"].value

    return liquidatable_at


def perps(result):
    """Every position but options (their marks are nobody's question), with the part that it is judged in."""
    for part in result.subaccounts:
        for position in part.positions:
            if not position.stated.get("optionType"):
                yield part, position


@pytest.mark.fuzz
@given(books())
def test_the_liquidation_price_is_the_trigger(book):
    rulebook, account = book
    (result,) = margin([account], rulebook)
    for part, position in perps(result):
        published = position["liquidationPrice"].value
        if published is None:
            continue
        price, quantum = Decimal(published), Decimal(position.stated["priceQuantum"])
        mark, liquidatable = Decimal(position.stated["markPrice"]), part["liquidatable"].value
        # Coming from the safe side: from the mark, or towards it where the mark itself is on the wrong side.
        towards_safety = quantum if (mark > price) != liquidatable else -quantum
        liquidatable_at = verdicts(rulebook, account, part, position)
        assert liquidatable_at(price) is True
        if price != mark:
            assert liquidatable_at(price + towards_safety) is False
        else:
            assert not all(liquidatable_at(near) for near in (price - quantum, price + quantum) if near > 0)


@pytest.mark.fuzz
@given(books())
def test_no_liquidation_price_means_none(book):
    """Where there is no price, none of a wide range around the mark changes whether it is liquidatable."""
    rulebook, account = book
    (result,) = margin([account], rulebook)
    for part, position in perps(result):
        if position["liquidationPrice"].value is not None:
            continue
        mark, quantum = Decimal(position.stated["markPrice"]), Decimal(position.stated["priceQuantum"])
        liquidatable_at = verdicts(rulebook, account, part, position)
        for factor in ("0.0001", "0.1", "0.5", "0.9", "1.1", "2", "10", "1000"):
            price = max(quantum, (mark * Decimal(factor)).quantize(quantum))
            assert liquidatable_at(price) is part["liquidatable"].value


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
        held = {**account.collateral, "USDC": account.collateral["USDC"] - most}
        (after,) = margin([replace(account, collateral=held)], rulebook)
        kept = after.subaccounts[0] if held["USDC"] or part.positions else None
        if kept is not None:
            assert Decimal(kept["freeCollateral"].value) >= 0
            assert Decimal(kept["maxWithdrawal"].value) == 0
